/**
 * The engine's storage over domain/protocol/protocol-row.ts. Keys are hashes of token values, payloads are stored without them, and
 * consuming is one conditional update: of N racers one wins, and the others revoke what the code was worth.
 */
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import {
  consumeProtocol,
  findProtocol,
  findProtocolByUid,
  type ProtocolRow,
  recentProtocol,
  revokeGrant,
} from '../../domain/protocol/protocol-row.ts';
import { append } from '../../domain/trail/log.ts';
import { HOUR, inSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { type ClientSources, clientMetadata, ENDLESS_SECONDS } from '../client/client-metadata.ts';
import {
  asksAboutToken,
  asksUserinfo,
  callerAddress,
  currentRequest,
  grantAtHand,
  revokesAccessToken,
} from '../engine/context.ts';
import { denyAccessToken, verifyAccessToken } from '../token/access-token.ts';
import { asItStands } from '../token/scope-now.ts';
import { noteSeen, write, writeNow } from './batch.ts';
import { mayBeRecent } from './freshness.ts';
import { outlive } from './grant-life.ts';
import { sessionsWithLifetimes } from './session.ts';

/**
 * For how long the use of a replaced refresh token is taken for a retry: two tabs, a lost answer, a request that was
 * overtaken. It gets the same successor again (see refresh.ts), so that nothing forks and a thief is still found out.
 */
const GRACE_SECONDS = 30;

/**
 * A pushed request is used up when the user comes back from the login that it led to (RFC 9126 §4, §7.3), which may be
 * long after no new login may start from it.
 */
const PUSHED = 'PushedAuthorizationRequest';
const FLOW_SECONDS = HOUR;

const isHonestRetry = (kind: string, row: ProtocolRow | null): boolean =>
  kind === 'RefreshToken' && row?.consumed_at !== undefined && row.consumed_at > inSeconds(-GRACE_SECONDS);

/** What goes to the database: nothing in it is, or contains, the token that finds the row. */
function withoutToken(kind: string, payload: AdapterPayload): string {
  const { jti, consumed, ...rest } = payload;
  if (kind === 'Interaction') {
    // Both hold bearer values: the page's own address and the session cookie.
    delete rest.returnTo;
    if (rest.session) rest.session = { ...(rest.session as object), cookie: undefined } as never;
  }
  return JSON.stringify(rest);
}

/** Whoever is proven in a login that is not over ends with the user's other logins. */
function provenIn({ result }: AdapterPayload): string | undefined {
  const { login, half } = (result ?? {}) as { login?: { accountId?: string }; half?: { user?: string } };
  return login?.accountId ?? half?.user;
}

function withToken(tenant: Tenant, kind: string, row: ProtocolRow, token?: string): AdapterPayload {
  const payload = JSON.parse(row.payload) as AdapterPayload;
  if (token !== undefined) payload.jti = token;
  // Extended in the row alone, when a token needs it longer.
  if (kind === 'Grant') payload.exp = Math.floor(row.expires_at.getTime() / 1000);
  if (kind === 'Interaction') payload.returnTo = `${tenant.origin}/authorize/${token}`;
  if (row.consumed_at && !isHonestRetry(kind, row)) payload.consumed = Math.floor(row.consumed_at.getTime() / 1000);
  return payload;
}

function protocolAdapter(tenant: Tenant, kind: string): Adapter {
  return {
    async upsert(token, payload, expiresIn) {
      await write(tenant, {
        kind,
        token,
        fields: {
          payload: withoutToken(kind, payload),
          expires_at: inSeconds((expiresIn ?? ENDLESS_SECONDS) + (kind === PUSHED ? FLOW_SECONDS : 0)),
          grant: payload.grantId,
          uid: kind === 'Session' ? payload.uid : undefined,
          user: payload.accountId ?? provenIn(payload),
          client: payload.clientId,
          origin: kind === 'Session' || kind === 'Grant' ? tenant.origin : undefined,
        },
      });
      if (kind === 'RefreshToken')
        await outlive(tenant, grantAtHand(), { grantId: payload.grantId, exp: payload.exp! });
    },
    async find(token) {
      // An access token, which introspection and revocation look for everywhere; it is stored nowhere.
      if (token.includes('~')) return undefined;
      await writeNow(tenant, { kind, token });
      const look = kind === 'Grant' && mayBeRecent(currentRequest()) ? recentProtocol : findProtocol;
      const row = await look(tenant, { kind, token });
      if (row) noteSeen(token);
      return row ? withToken(tenant, kind, row, token) : undefined;
    },
    async findByUid(uid) {
      await writeNow(tenant);
      const row = await findProtocolByUid(tenant, kind, uid);
      return row ? withToken(tenant, kind, row) : undefined;
    },
    async findByUserCode() {
      return undefined;
    },
    async consume(token) {
      await writeNow(tenant, { kind, token });
      if (await consumeProtocol(tenant, { kind, token })) return;
      if (kind === PUSHED) throw new errors.InvalidRequestUri('request_uri was used already');
      // RFC 6749 §4.1.2, RFC 9700 §4.5.2: a code used twice is worth nothing to either user of it.
      const row = await findProtocol(tenant, { kind, token });
      if (isHonestRetry(kind, row)) return;
      // Where it is gone already another of the racers has ended it, and told.
      const ended = row?.grant ? await revokeGrant(tenant, row.grant) : row !== null;
      if (ended)
        await append(tenant, {
          type: 'oauth.token.reused',
          status: 'failed',
          user: row?.user,
          client: row?.client,
          data: { kind },
        });
      throw new errors.InvalidGrant(`${kind} already consumed`);
    },
    async destroy(token) {
      await write(tenant, { kind, token });
    },
    async revokeByGrantId(grant) {
      await writeNow(tenant);
      // Revoking one access token (RFC 7009 §2.1) leaves the rest of its grant alone.
      if (revokesAccessToken()) return;
      await revokeGrant(tenant, grant);
    },
  };
}

/**
 * Userinfo takes every token of a user who granted `openid`, also one that is for an Api, as apps with an audience
 * expect. The engine wants one that is for nothing else. Whoever asks about a token hears what is left of it.
 */
async function forRoute(tenant: Tenant, payload: AdapterPayload | undefined): Promise<AdapterPayload | undefined> {
  if (payload?.aud && asksUserinfo()) return { ...payload, aud: undefined };
  return payload && asksAboutToken() ? asItStands(tenant, payload) : payload;
}

const refuse = async (): Promise<never> => {
  throw new Error('not stored by the engine');
};
const readOnly = (find: Adapter['find']): Adapter => ({
  find,
  upsert: refuse,
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
  consume: refuse,
  destroy: async () => {},
  revokeByGrantId: async () => {},
});

export const adapterFor =
  (tenant: Tenant, options: ClientSources) =>
  (kind: string): Adapter => {
    if (kind === 'Client') return readOnly((id) => clientMetadata(tenant, id, options, callerAddress) as never);
    // Access tokens are signed, not stored: finding one is verifying it.
    if (kind === 'AccessToken' || kind === 'ClientCredentials')
      return {
        ...readOnly(async (token) => forRoute(tenant, await verifyAccessToken(tenant, kind, token)) as never),
        destroy: (jti) => denyAccessToken(tenant, jti),
      };
    const rows = protocolAdapter(tenant, kind);
    return kind === 'Session' ? sessionsWithLifetimes(tenant, rows) : rows;
  };
