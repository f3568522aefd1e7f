/**
 * The login session of a browser: its cookie, and how long it lives by the account's settings. Owns both for the engine,
 * which reads and writes sessions itself, and for our own pages.
 */
import type { FastifyRequest } from 'fastify';
import type { Adapter, AdapterPayload, Session } from 'oidc-provider';
import { isSessionOver, type Seen } from '../../domain/protocol/session.ts';
import { nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { AGENT_LENGTH } from '../../kernel/user-agent.ts';
import { callerAddress, currentRequest } from '../engine/context.ts';
import type { ProviderFor } from '../engine/providers.ts';

export const SESSION_COOKIE = 'cardea_sess';

/**
 * An app in a browser renews its tokens in an iframe, and may be of another site than the tenant: over TLS the cookie goes
 * along there (browsers that block third-party cookies aside). What that opens up is shut again: our forms carry tokens,
 * pages are not framed, and `sessionOf` knows nobody in a frame or a fetch of another site. Without TLS browsers take no
 * such cookie.
 */
export function sessionCookie(tenant: Tenant) {
  const secure = tenant.origin.startsWith('https:');
  return { httpOnly: true, sameSite: secure ? 'none' : 'lax', secure, path: '/' } as const;
}

/** Anything that another site started and that is not the page in the address bar (Fetch Metadata). */
const isEmbeddedElsewhere = ({ headers }: FastifyRequest): boolean =>
  headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-dest'] !== 'document';

/** The browser's session, if it has a live one; for pages and addresses of ours, not for the authorization endpoint. */
export async function sessionOf(providerFor: ProviderFor, request: FastifyRequest): Promise<Session | undefined> {
  const id = request.cookies[SESSION_COOKIE];
  if (!id || isEmbeddedElsewhere(request)) return undefined;
  return (await providerFor(request.tenant)).Session.find(id);
}

/** Seconds that a session has left when it is used now: until it was idle for too long, or has lasted for too long. */
export function secondsLeft({ account }: Tenant, session: { loginTs?: number }): number {
  const { idle_lifetime: idle, absolute_lifetime: absolute } = account.sessions;
  const now = nowSeconds();
  return Math.max(1, Math.min(idle, (session.loginTs ?? now) + absolute - now));
}

type Stored = AdapterPayload & {
  /** When the row was last written for a use, in seconds. */
  used?: number;
  seen?: Seen;
};

/** Nothing outside of the engine's requests: the next one tells. */
function seenNow(): Seen | undefined {
  const request = currentRequest();
  if (!request) return undefined;
  return { ip: callerAddress() || null, agent: request.get('user-agent').slice(0, AGENT_LENGTH) || null };
}

/** A use is written down when this part of the idle lifetime has passed since the last one that was. */
const WORTH_WRITING = 1 / 20;

const CONTENT = ['uid', 'accountId', 'loginTs', 'acr', 'amr', 'transient', 'state', 'authorizations'] as const;
const contentOf = (payload: Stored): string => JSON.stringify(CONTENT.map((name) => payload[name]));

/** What a request of the engine has read, so that it does not write the same again. */
const read = new WeakMap<object, { id: string; content: string; used: number; seen: string }>();

/**
 * Storage of sessions with the account's lifetimes: one past either is as absent as none. A session of nobody is not
 * stored, so no id that was known before a login is worth anything after it.
 */
export function sessionsWithLifetimes(tenant: Tenant, rows: Adapter): Adapter {
  const alive = (payload: Awaited<ReturnType<Adapter['find']>>) =>
    payload && !isSessionOver(tenant, payload) ? (payload as Stored) : undefined;
  return {
    ...rows,
    async find(id) {
      const payload = alive(await rows.find(id));
      const request = currentRequest();
      if (payload && request)
        read.set(request, {
          id,
          content: contentOf(payload),
          used: payload.used ?? 0,
          seen: JSON.stringify(payload.seen),
        });
      return payload;
    },
    async findByUid(uid) {
      return alive(await rows.findByUid(uid));
    },
    async upsert(id, payload, expiresIn) {
      if (!payload.accountId) return;
      const used = nowSeconds();
      const seen = seenNow();
      const request = currentRequest();
      const before = request && read.get(request);
      const isNews =
        before?.id !== id ||
        before.content !== contentOf(payload) ||
        before.seen !== JSON.stringify(seen) ||
        used - before.used >= tenant.account.sessions.idle_lifetime * WORTH_WRITING;
      if (isNews) await rows.upsert(id, { ...payload, used, seen } as AdapterPayload, expiresIn);
    },
  };
}
