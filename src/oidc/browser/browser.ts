/** What our pages need of the engine outside an app's authorization flow: who is at the browser, and how they log in. */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Login, Outcome } from '../../auth/conclude-login.ts';
import type { Visitor } from '../../auth/device.ts';
import { users } from '../../domain/user/user.ts';
import { inSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { mintToken } from '../../kernel/secret/random.ts';
import {
  type ClientExtras,
  homeOf,
  isUnverified,
  PAGES,
  PAGES_RETURN,
  plainRequestsRefused,
} from '../client/client-metadata.ts';
import { originAllowed, originNamed } from '../client/client-rules.ts';
import type { ProviderFor } from '../engine/providers.ts';
import { mintSession } from '../mint.ts';
import { SESSION_COOKIE, sessionCookie, sessionOf } from '../storage/session.ts';
import { bearerUser } from '../wire/bearer.ts';
import { apps } from './apps.ts';
import { deviceOf } from './devices.ts';
import { carryHalfLogin } from './half-login.ts';
import { endSession } from './logout.ts';

export type Browser = ReturnType<typeof browser>;

export type StartingClient = {
  name: string;
  callbacks: readonly string[];
  /** Its website, where somebody goes on who comes from a mail. */
  home?: string;
  mayUse(grantType: string): boolean;
  mayRedirectTo(uri: string): boolean;
  /** Whether mail may be sent on its word: not to strangers, for a stranger. */
  mayMail: boolean;
  /** CORS. */
  mayCallFrom(origin: string | undefined): boolean;
  /** Whether it has named that origin, where `mayCallFrom` may let any. */
  names(origin: string): boolean;
  /** Of the account's own, which users type passwords for. */
  ours: boolean;
  hasSecret: boolean;
  /** Whether a request of parameters in an address is refused. */
  plainRequestsRefused: boolean;
};

/** Where the browser logs in, to come back to `path`: by way of the built-in client of our pages. */
export function loginHref(tenant: Tenant, path: string, extra: Record<string, string> = {}): string {
  const query = new URLSearchParams({
    client_id: PAGES,
    response_type: 'code',
    redirect_uri: `${tenant.origin}${PAGES_RETURN}`,
    scope: 'openid',
    state: path,
    // Of a verifier that nobody knows: the code that comes back is worth nothing.
    code_challenge: createHash('sha256').update(mintToken()).digest('base64url'),
    code_challenge_method: 'S256',
    ...extra,
  });
  return `/authorize?${query}`;
}

export function browser(providerFor: ProviderFor) {
  return {
    /** The path that `loginHref` comes back to first, with the page's own in `state`. */
    returnPath: PAGES_RETURN,

    /** The client that logs in for a page of ours. */
    pagesClient: PAGES,

    apps: apps(providerFor),

    /** Nobody when their account is gone or suspended. */
    async visitor(request: FastifyRequest): Promise<Visitor | undefined> {
      const session = await sessionOf(providerFor, request);
      const user = session?.accountId && (await users.find(request.tenant, session.accountId));
      if (!session || !user || user.suspended) return undefined;
      const { amr = [], uid } = session;
      return { user: user.id, session: uid, amr, authTime: session.authTime() ?? 0, from: request.from };
    },

    /** The user of the request's bearer token, if it carries one. */
    bearer: (request: FastifyRequest) => bearerUser(providerFor, request),

    loginHref,

    /** A client as those see it who start something for it without its secret. */
    async client(tenant: Tenant, id: string): Promise<StartingClient | undefined> {
      const client = await (await providerFor(tenant)).Client.find(id);
      if (!client) return undefined;
      return {
        name: client.clientName ?? id,
        callbacks: client.redirectUris ?? [],
        home: homeOf(client),
        mayUse: (grantType) => client.grantTypeAllowed(grantType),
        mayMail: !isUnverified(client),
        mayRedirectTo: (uri) => client.redirectUriAllowed(uri),
        mayCallFrom: (origin) => origin !== undefined && originAllowed(client, origin),
        names: (origin) => originNamed(client, origin),
        ours: (client as unknown as ClientExtras).first_party ?? false,
        hasSecret: client.clientAuthMethod !== 'none',
        plainRequestsRefused: plainRequestsRefused(client),
      };
    },

    /**
     * For a login outside of any flow.
     * @returns parameters of the authorization request that comes next: one that asks for what is due, if anything is.
     */
    async conclude(
      request: FastifyRequest,
      reply: FastifyReply,
      outcome: Outcome,
      client: string,
    ): Promise<{ prompt?: string }> {
      if ('done' in outcome) {
        await signIn(request, reply, outcome.done);
        return {};
      }
      carryHalfLogin(request, reply, outcome.next, client);
      // Whoever has a session here must not go on with that one instead.
      return { prompt: 'login' };
    },
  };

  /** Logs the browser in, under a session id that nobody has seen before. */
  async function signIn(request: FastifyRequest, reply: FastifyReply, login: Login): Promise<void> {
    const { tenant } = request;
    const previous = await sessionOf(providerFor, request);
    const same = previous?.accountId === login.user.id ? previous : undefined;
    if (previous && !same) await endSession(tenant, previous);
    await deviceOf(request, reply).loggedIn(login.user, same !== undefined);
    const proven = { user: login.user.id, amr: login.amr, authTime: login.authTime };
    const { id, expiresIn } = await mintSession(tenant, await providerFor(tenant), proven, same);
    reply.setCookie(SESSION_COOKIE, id, { ...sessionCookie(tenant), expires: inSeconds(expiresIn) });
  }
}
