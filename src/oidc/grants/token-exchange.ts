/**
 * Token exchange (RFC 8693): an external issuer's token, or one of our own, for an access token of 30 minutes at most. No
 * user is created, and nothing can be refreshed.
 */
import { decodeJwt } from 'jose';
import { type AccessToken, errors } from 'oidc-provider';
import { type Login, requireDone, resumeLogin } from '../../auth/conclude-login.ts';
import { issuerOf, mapClaims, verifyExternalToken } from '../../auth/token-exchange.ts';
import { resourceOf, userinfoAudience } from '../../domain/api/audience.ts';
import { hangGrant } from '../../domain/protocol/protocol-row.ts';
import { append, appendRefusal } from '../../domain/trail/log.ts';
import { MINUTE, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { scopeWords } from '../../kernel/text.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { buildTokenResponse, checkProofs, type GrantContext, type Proofs, useProofs } from '../engine/internals.ts';
import { isConsentDue, widen } from '../request/consent.ts';
import { userServer } from '../request/resource-server.ts';
import { writeNow } from '../storage/batch.ts';
import { issueAccessToken } from '../token/access-token.ts';
import { asAccount } from '../token/account.ts';
import { EXCHANGED } from '../token/scope-now.ts';
import { asGrant, fromOf, type GrantOptions, type GrantType, need, onlyFirstParty, refusal } from './grant-type.ts';
import { targetOf } from './user-tokens.ts';

const LIFETIME_SECONDS = 30 * MINUTE;
const TYPE = 'urn:ietf:params:oauth:token-type:';
const SUBJECT_TYPES = ['jwt', 'access_token', 'id_token'].map((name) => TYPE + name);
const ISSUED_TYPES = ['jwt', 'access_token'].map((name) => TYPE + name);
/** How long a chain of actors may get (§4.1). */
const MAX_ACTORS = 5;

type Act = { sub: string; client_id?: string; act?: Act };
/** What the new token says. */
type Subject = {
  sub: string;
  scope: string;
  /** The Api that it is for; none: userinfo. */
  server?: Awaited<ReturnType<typeof userServer>>;
  lifetimeSeconds: number;
  grantId?: string;
  extra?: Record<string, unknown>;
};

export const tokenExchange: GrantType = {
  name: 'urn:ietf:params:oauth:grant-type:token-exchange',
  byDefault: 6,
  parameters: {
    subject_token: {
      description: 'Token exchange (RFC 8693): the token of the other issuer.',
      secret: 'lasting',
    },
    subject_token_type: { description: 'Token exchange: `urn:ietf:params:oauth:token-type:jwt`.' },
    actor_token: { secret: 'lasting' },
    actor_token_type: {},
    requested_token_type: {},
    scope: {},
  },
  async handle(ctx, tenant, options) {
    onlyFirstParty(ctx);
    const { subject_token, subject_token_type } = need(ctx, 'subject_token', 'subject_token_type');
    checkTypes(ctx, subject_token_type);
    const proofs = await checkProofs(ctx);
    try {
      const own = issuerOf(subject_token) === tenant.origin;
      const act = await actorOf(ctx, tenant, options);
      const subject = own
        ? await ownSubject(ctx, tenant, subject_token, proofs, options)
        : await externalSubject(ctx, tenant, subject_token, options);
      await issue(ctx, tenant, subject, proofs, chain(act, own ? subject_token : undefined));
      await append(tenant, {
        type: 'oauth.token.exchanged',
        status: 'success',
        client: ctx.oidc.client.clientId,
        ...(own && { user: subject.sub }),
        data: { issuer: issuerOf(subject_token), subject: subject.sub, actor: act?.sub, ip: fromOf(ctx).ip },
      });
    } catch (error) {
      throw await refused(ctx, tenant, error);
    }
  },
};

/** §2.2.2: an unacceptable token is an `invalid_request`; the status tells which way it was unacceptable. */
async function refused(ctx: GrantContext, tenant: Tenant, error: unknown): Promise<unknown> {
  if (!(error instanceof Fault) || !error.row.oauth) return error;
  await appendRefusal(tenant, {
    type: 'oauth.token.exchange.failed',
    client: ctx.oidc.client.clientId,
    reason: error.code,
    ip: fromOf(ctx).ip,
  });
  if (error.retryAfterSeconds) ctx.set('retry-after', String(error.retryAfterSeconds));
  return refusal(error.row.status, error.row.oauth, error.message);
}

function checkTypes(ctx: GrantContext, subjectType: string): void {
  const { actor_token, actor_token_type, requested_token_type } = ctx.oidc.params;
  if (!SUBJECT_TYPES.includes(subjectType)) throw new errors.InvalidRequest('subject_token_type is not supported');
  if (requested_token_type && !ISSUED_TYPES.includes(requested_token_type))
    throw new errors.InvalidRequest('requested_token_type is not supported');
  if (!actor_token !== !actor_token_type)
    throw new errors.InvalidRequest('actor_token and actor_token_type go together');
  if (actor_token_type && !ISSUED_TYPES.includes(actor_token_type))
    throw new errors.InvalidRequest('actor_token_type is not supported');
}

/* ——— whom the token is about ——— */

async function externalSubject(
  ctx: GrantContext,
  tenant: Tenant,
  token: string,
  options: GrantOptions,
): Promise<Subject> {
  const { client, params } = ctx.oidc;
  const { sub, claims, connection } = await verifyExternalToken(tenant, client.clientId, token, options);
  const asked = words(params.scope);
  const target = await targetOf(ctx, tenant);
  const server = target
    ? await asGrant(ctx, () => userServer(tenant, target, { asked, client, exchanged: true }))
    : undefined;
  if (await isConsentDue(tenant, client, target ? [target] : []))
    throw new errors.ConsentRequired('the user has to allow this in a browser');
  // Nobody of ours: there are no claims of a user to release, only what the Api grants.
  const scopes = asked.filter((scope) => server?.scopes.includes(scope));
  return {
    sub,
    scope: scopes.join(' '),
    server,
    lifetimeSeconds: LIFETIME_SECONDS,
    extra: mapClaims(connection.claims_mapping, claims, (ctx.oidc.body ?? {}) as Record<string, unknown>),
  };
}

/** A token of ours about a user: the new one is for the same audience, says no more, and lives no longer. */
async function ownSubject(
  ctx: GrantContext,
  tenant: Tenant,
  token: string,
  proofs: Proofs,
  options: GrantOptions,
): Promise<Subject> {
  const { provider, client, params } = ctx.oidc;
  // §2.1: what is said of it is meant, and ours are exchanged by no other than access tokens.
  if (params.subject_token_type === `${TYPE}id_token`) throw new Fault('refused_subject_token');
  const subject = (await provider.AccessToken.find(token)) as (AccessToken & { jkt?: string }) | undefined;
  if (!subject?.grantId || !(await provider.Grant.find(subject.grantId))) throw new Fault('refused_subject_token');
  const same = subject.clientId === client.clientId;
  // A client that cannot prove itself proves nothing about how it came by another's token.
  if (!same && client.clientAuthMethod === 'none') throw new Fault('untrusted_issuer');
  // RFC 9449 §1: exchanging a bound token must not unbind it.
  if (subject.jkt && subject.jkt !== proofs.dPoP?.thumbprint) throw new Fault('refused_subject_token');
  const { user } = await resume(ctx, tenant, subject.accountId, token, options);
  ctx.oidc.entity('Account', asAccount(user));

  const audience = typeof subject.aud === 'string' ? resourceOf(subject.aud) : undefined;
  if (params.resource && params.resource !== (audience ?? userinfoAudience(tenant)))
    throw new errors.InvalidTarget('the subject token is for another audience');
  const held = words(subject.scope).filter((scope) => scope !== 'offline_access');
  const asked = params.scope ? words(params.scope) : held;
  const beyond = asked.filter((scope) => !held.includes(scope));
  if (beyond.length) throw new errors.InvalidScope('the subject token has no such scope', beyond.join(' '));
  const by = { user: subject.accountId, asked, client, exchanged: true as const };
  // A token for no Api stays one: the account's default is for who asks for nothing and has nothing.
  const server = audience ? await asGrant(ctx, () => userServer(tenant, audience, by)) : undefined;
  // What the Api or the user's roles have lost since is lost here too.
  const scopes = server ? asked.filter((scope) => server.scopes.includes(scope)) : asked;
  return {
    sub: subject.accountId,
    scope: scopes.join(' '),
    server,
    lifetimeSeconds: Math.min(LIFETIME_SECONDS, subject.exp! - nowSeconds()),
    grantId: same ? subject.grantId : await grantFor(ctx, tenant, subject, { scopes, audience }),
  };
}

/** The login that a token of ours is of. @throws invalid_grant for a user who may not have tokens any more, mfa_required */
function resume(ctx: GrantContext, tenant: Tenant, user: string, token: string, options: GrantOptions): Promise<Login> {
  // The engine takes tokens in their opaque form, too.
  const claims = decodeJwt<{ amr?: string[]; auth_time?: number }>(token.replaceAll('~', '.'));
  const login = { user, client: ctx.oidc.client.clientId, amr: claims.amr ?? [], authTime: claims.auth_time ?? 0 };
  return asGrant(ctx, async () => requireDone(await resumeLogin(tenant, login, options)));
}

/**
 * Another client's token hangs on a row of its own, which goes with the user's others and with the one that the subject
 * token hangs on: what a stolen code was worth is not saved by exchanging it.
 */
async function grantFor(
  ctx: GrantContext,
  tenant: Tenant,
  subject: AccessToken,
  { scopes, audience }: { scopes: string[]; audience?: string },
): Promise<string> {
  const grant = new ctx.oidc.provider.Grant({
    accountId: subject.accountId,
    clientId: ctx.oidc.client.clientId,
    expiresIn: LIFETIME_SECONDS + MINUTE,
  } as ConstructorParameters<typeof ctx.oidc.provider.Grant>[0]);
  widen(grant, { scopes: audience ? [] : scopes, claims: [], resources: audience ? { [audience]: scopes } : {} });
  const id = await grant.save();
  await writeNow(tenant, { kind: 'Grant', token: id });
  if (!(await hangGrant(tenant, id, subject.grantId!))) throw new Fault('refused_subject_token');
  return id;
}

/* ——— who acts for them ——— */

/** The actor, from a token of ours that was issued to the very client that presents it. */
async function actorOf(ctx: GrantContext, tenant: Tenant, options: GrantOptions): Promise<Act | undefined> {
  const { provider, client, params } = ctx.oidc;
  const { actor_token } = params;
  if (!actor_token) return undefined;
  const actor = (await provider.AccessToken.find(actor_token)) ?? (await provider.ClientCredentials.find(actor_token));
  if (!actor || actor.clientId !== client.clientId)
    throw new Fault('refused_subject_token', 'The actor token is refused.');
  const sub = (actor as { accountId?: string }).accountId;
  if (sub) await resume(ctx, tenant, sub, actor_token, options);
  return { sub: sub ?? client.clientId, ...(sub && { client_id: client.clientId }) };
}

/** §4.1: the current actor outermost, those before it within. */
function chain(act: Act | undefined, subjectToken: string | undefined): Act | undefined {
  const before = subjectToken ? (decodeJwt(subjectToken).act as Act | undefined) : undefined;
  if (!act) return before;
  let depth = 1;
  for (let link = before; link; link = link.act) depth += 1;
  if (depth > MAX_ACTORS) throw new errors.InvalidRequest('too many actors');
  return { ...act, ...(before && { act: before }) };
}

const words = (scope: string | undefined): string[] => [...new Set(scopeWords(scope))];

async function issue(
  ctx: GrantContext,
  tenant: Tenant,
  { sub, scope, server, lifetimeSeconds, grantId, extra }: Subject,
  proofs: Proofs,
  act: Act | undefined,
): Promise<void> {
  const { provider, client } = ctx.oidc;
  const jkt = await useProofs(ctx, proofs);
  const accessToken = await issueAccessToken(tenant, {
    accountId: sub,
    clientId: client.clientId,
    client: client as ClientExtras,
    aud: server?.audience,
    alg: server?.alg,
    typ: server?.typ,
    expiration: lifetimeSeconds,
    scope,
    permissions: scope,
    grantId,
    jkt,
    extra: { ...extra, ...(act && { act }), ...(server?.system && { gty: EXCHANGED }) },
  });
  ctx.body = buildTokenResponse(provider, {
    accessToken,
    expiresIn: lifetimeSeconds,
    issuedTokenType: `${TYPE}access_token`,
    scope: scope || undefined,
    tokenType: jkt ? 'DPoP' : 'Bearer',
  });
}
