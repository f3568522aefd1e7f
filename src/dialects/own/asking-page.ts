/**
 * The page that asks for something in somebody's name, as their browser says: an endpoint that any page may call must not
 * take every page for one of the client's.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { markBrowser, mintBrowserProof } from '../../domain/link/asking-browser.ts';
import type { StartingClient } from '../../oidc/browser/browser.ts';

/**
 * Whether it is a page that the client has named, one of ours, or no page at all: who is no browser sends no origin. A client
 * that is open to any page (no `web_origins`) has named none by that.
 */
export function isNamedPage({ headers, tenant }: FastifyRequest, client: StartingClient): boolean {
  const { origin } = headers;
  return origin === undefined || origin === tenant.origin || client.names(origin);
}

/**
 * The browser in which a mailed link acts at once. Of any other page it is none: that page could have a link to somebody
 * else's mailbox act in it, or a link of its making in the mailbox of whoever looks at it.
 */
export function askingBrowser(request: FastifyRequest, client: StartingClient) {
  if (!isNamedPage(request, client)) return { browser: undefined, mark: () => undefined };
  const { proof, browser } = mintBrowserProof();
  return { browser, mark: (reply: FastifyReply, seconds: number) => markBrowser(request, reply, proof, seconds) };
}
