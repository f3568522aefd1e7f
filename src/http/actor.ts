/** Bearer token → Actor, and the one place that enforces each route's declared `access`. */
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import { accountById } from '../domain/account/account.ts';
import { managementAudiences, PLATFORM_AUDIENCE } from '../domain/api/permission.ts';
import { clients } from '../domain/client/client.ts';
import { accountKeys } from '../domain/key/account-keys.ts';
import { type SigningKey, signingKey } from '../domain/key/signing-key.ts';
import { standingOf } from '../domain/protocol/protocol-row.ts';
import { users } from '../domain/user/user.ts';
import { type Authorization, authorizationOf } from '../kernel/authorization.ts';
import { nowSeconds } from '../kernel/clock.ts';
import { type Actor, asTenant, can, isOwn, type Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import type { Access } from '../resource/request.ts';
import { checkProof } from './proof.ts';
import { targetOf } from './tenant.ts';

/** What http needs of a verified token; oidc/token/access-token.ts is handed in by app.ts. */
export type OpenToken = (
  token: string,
  keyOf: (kid: string) => SigningKey | undefined,
) =>
  | {
      kid: string;
      iss: string;
      sub: string;
      aud: string;
      client_id: string;
      scope?: string;
      exp: number;
      jti: string;
      account: string;
      grant_id?: string;
      auth_time?: number;
      cnf?: { jkt?: string };
      gty?: string;
    }
  | undefined;

type Opened = NonNullable<ReturnType<OpenToken>>;

/** What http is told of a token besides, by oidc/token/scope-now.ts: what it is good for by now, or nothing. */
export type PermissionsOf = (tenant: Tenant, token: Opened) => Promise<ReadonlySet<string> | undefined>;

export type Tokens = { openToken: OpenToken; permissionsOf: PermissionsOf };

/** RFC 6750 §2.1, RFC 9449 §7.1 */
function credentials(request: FastifyRequest): Authorization {
  const sent = authorizationOf(request.headers.authorization);
  if (sent?.scheme !== 'bearer' && sent?.scheme !== 'dpop') throw new Fault('unauthorized');
  return sent;
}

function kidOf(token: string): string {
  try {
    const { kid } = JSON.parse(Buffer.from(token.split('.', 1)[0]!, 'base64url').toString());
    if (typeof kid === 'string') return kid;
  } catch {
    // Falls through to the one answer for every malformed token.
  }
  throw new Fault('invalid_token');
}

/** @param self the user who may come with a token that is for no API (its audience is userinfo). */
async function authenticate(
  config: Config,
  request: FastifyRequest,
  { openToken, permissionsOf }: Tokens,
  self?: string,
): Promise<Actor> {
  const { scheme, token } = credentials(request);
  const key = await signingKey(kidOf(token));
  const issuer = key && (await accountById(key.account));
  if (!issuer) throw new Fault('invalid_token');
  // Known is not enough: a key may have been revoked since it was first seen here.
  const { published } = await accountKeys(asTenant(issuer, ''));
  const claims = openToken(token, (kid) => published.find((known) => known.kid === kid));
  if (!claims || !(claims.exp > nowSeconds()) || claims.account !== key.account) throw new Fault('invalid_token');
  // RFC 9449 §7.2: a token that is bound to a key is none without its proof, and a proof is none for another token.
  const thumbprint = claims.cnf?.jkt;
  if (thumbprint && scheme !== 'dpop')
    throw new Fault('invalid_dpop_proof', 'The access token is bound to a key: send it as DPoP, with a proof.');
  if (scheme === 'dpop' && !thumbprint) throw new Fault('invalid_token');
  if (thumbprint) await checkProof(request, { token, thumbprint, clientId: claims.client_id });

  const target = await targetOf(config, request);
  const operator = issuer.root && claims.aud === PLATFORM_AUDIENCE;
  const ofUser = claims.sub !== claims.client_id;
  const forSelf = ofUser && claims.sub === self && claims.aud === `${claims.iss}/userinfo`;
  const own = target?.id === key.account && (forSelf || managementAudiences(key.account).includes(claims.aud));
  // A target that does not exist and one that is somebody else's are answered alike.
  if (!target || !(operator || own)) throw new Fault('aud_mismatch');

  const home = asTenant(issuer, '');
  const [user, standing, permissions] = await Promise.all([
    ofUser ? users.find(home, claims.sub) : undefined,
    standingOf(home, claims),
    // A token that is for no Api is for the user themself.
    forSelf ? new Set<string>() : permissionsOf(home, claims),
  ]);
  if (ofUser && !user) throw new Fault('invalid_token');
  // Before the dead grant that suspension leaves: an administrator is told what happened.
  if (user?.suspended) throw new Fault('user_suspended');
  if (!standing || !permissions) throw new Fault('invalid_token');
  request.tenant = target;
  return {
    kind: operator ? 'operator' : ofUser ? 'user' : 'client',
    id: claims.sub,
    clientId: claims.client_id,
    permissions,
    ...(ofUser && { authTime: claims.auth_time, grant: claims.grant_id }),
  };
}

/** @throws Fault `unauthorized`, `invalid_token`, `aud_mismatch` or `insufficient_scope` naming what is missing. */
export async function enforce(config: Config, request: FastifyRequest, access: Access, tokens: Tokens): Promise<void> {
  if (typeof access === 'string') return;
  const self = access.self && (request.params as Record<string, string>)[access.self];
  request.actor = await authenticate(config, request, tokens, self);
  if (can(request.actor, access.permission)) return;
  if (self && (await isSelf(request, self))) return;
  throw new Fault('insufficient_scope', `The access token lacks the permission ${access.permission}.`, {
    details: { missing: access.permission },
  });
}

/**
 * Nobody gives what they do not have: the rule of which routes declare what it is about. Asked when the body is read. A
 * user who changes what is the user's own gets nothing by it.
 * @throws Fault `insufficient_scope` naming the first permission that is missing.
 */
export async function refuseBeyond(request: FastifyRequest, access: Access): Promise<void> {
  if (typeof access === 'string' || !access.gives) return;
  const { actor, params } = request;
  if (access.self && isOwn(actor, (params as Record<string, string>)[access.self]!)) return;
  for (const permission of await access.gives(request))
    if (!can(actor, permission))
      throw new Fault('insufficient_scope', `This gives the permission ${permission}, which the access token lacks.`, {
        details: { missing: permission },
      });
}

/** The user itself, through a client of the tenant's own: what third parties may do for a user is in the token's scope. */
async function isSelf({ actor, tenant }: FastifyRequest, self: string): Promise<boolean> {
  if (!isOwn(actor, self)) return false;
  return (await clients.find(tenant, actor.clientId))?.is_first_party ?? false;
}
