/** Where a reset comes from and goes on to: the login of an app that it interrupted, else the app, else the tenant's start. */
import type { FastifyRequest } from 'fastify';
import { seal, unseal } from '../../kernel/secret/seal.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import { chosenLanguage, href, queryOf, text } from '../shell/address.ts';

export const RESET = '/flow/reset-password';

export type Way = { client?: string; flow?: string };

/** From a query or a form: what is no id is none. */
export function wayOf(given: Record<string, unknown>): Way {
  const id = (value: unknown) => (/^[\w-]{1,100}$/.test(text(value) ?? '') ? String(value) : undefined);
  return { client: text(given.client_id)?.slice(0, 300), flow: id(given.flow) };
}

const sealedFor = ({ tenant }: FastifyRequest): string => `${tenant.id} reset address`;

/** An address goes through the browser's history and our log as nothing that can be read. */
export const carried = (request: FastifyRequest, email: string | undefined): string | undefined =>
  email && seal(email, sealedFor(request));

export function carriedEmail(request: FastifyRequest): string | undefined {
  try {
    return unseal(text(queryOf(request).to) ?? '', sealedFor(request));
  } catch {
    return undefined;
  }
}

/** @param locale of a login whose app chose the language. */
export const resetHref = (
  request: FastifyRequest,
  { client, flow }: Way,
  { path = RESET, email, locale }: { path?: string; email?: string; locale?: string } = {},
): string => {
  const to = carried(request, email);
  const address = href(request, path, { client_id: client, flow, to });
  if (!locale || chosenLanguage(request)) return address;
  return `${address}${address.includes('?') ? '&' : '?'}lang=${locale}`;
};

export const flowHref = (request: FastifyRequest, { flow }: Way): string | undefined =>
  flow && href(request, `/flow/${flow}`);

/** Where somebody logs in afterwards. */
export async function loginAfter(request: FastifyRequest, browser: Browser, way: Way): Promise<string> {
  const client = way.client === undefined ? undefined : await browser.client(request.tenant, way.client);
  return flowHref(request, way) ?? client?.home ?? href(request, '/');
}
