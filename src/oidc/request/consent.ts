/**
 * When consent is due and what a decision grants. First-party clients get what they ask for, unless an Api insists;
 * third-party clients get what the user allowed, which domain/access/consent.ts remembers.
 */
import type { Client, Grant, Interaction, KoaContextWithOIDC } from 'oidc-provider';
import {
  type Allowed,
  addConsent,
  allowedBy,
  type Consent,
  consentOf,
  noteLogin,
  sizeOf,
} from '../../domain/access/consent.ts';
import { DAY, inSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { isLoopbackHost } from '../../kernel/loopback.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { writeNow } from '../storage/batch.ts';
import { CLAIMS } from '../token/claims.ts';
import type { AuthorizationDetail } from './authorization-details.ts';
import { ownScopes, skipsConsent } from './resource-server.ts';

/** Whether the user has to have allowed what the client asks for. */
export async function isConsentDue(tenant: Tenant, client: Client, resources: readonly string[]): Promise<boolean> {
  if (!(client as unknown as ClientExtras).first_party) return true;
  for (const identifier of resources) if (!(await skipsConsent(tenant, identifier))) return true;
  return false;
}

/** The engine's `loadExistingGrant`: the session's grant, widened silently by what nobody has to be asked about. */
export async function existingGrant(tenant: Tenant, ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const clientId = oidc.client!.clientId;
  const accountId = oidc.account!.accountId;
  const id = oidc.session!.grantIdFor(clientId);
  const found = id ? await oidc.provider.Grant.find(id) : undefined;
  // A session may have changed hands; a grant never does.
  const grant = found?.accountId === accountId && found.clientId === clientId ? found : undefined;
  const resources = Object.keys(oidc.resourceServers ?? {});
  if (await isConsentDue(tenant, oidc.client!, resources)) return consentedGrant(tenant, ctx, grant);

  const wide = grant ?? newGrant(ctx);
  if (widen(wide, requestedOf(ctx)) || !grant) await wide.save();
  return wide;
}

/* ——— what is asked for ——— */

/** Claims that say how somebody logged in, not who they are: nobody is asked about these. */
const OF_THE_LOGIN = new Set(['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss']);

function requestedOf({ oidc }: KoaContextWithOIDC): Allowed {
  return {
    scopes: [...oidc.requestParamOIDCScopes],
    claims: [...oidc.requestParamClaims].filter((claim) => !OF_THE_LOGIN.has(claim)),
    resources: Object.fromEntries(
      Object.entries(oidc.resourceServers ?? {}).map(([identifier, server]) => [
        identifier,
        [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope)),
      ]),
    ),
  };
}

/** The part of a request that the user has allowed, and whether that is all of it. */
export async function allowedPart(
  tenant: Tenant,
  { scopes, claims, resources }: Allowed,
  held: Consent | undefined,
): Promise<{ part: Allowed; whole: boolean }> {
  const of: Allowed = held ? allowedBy(held) : { scopes: [], claims: [], resources: {} };
  // Whoever may read the scope's claims may read one of them.
  const readable = new Set([...of.claims, ...of.scopes.flatMap((scope) => CLAIMS[scope as keyof typeof CLAIMS] ?? [])]);
  const part: Allowed = {
    scopes: scopes.filter((scope) => of.scopes.includes(scope)),
    claims: claims.filter((claim) => readable.has(claim)),
    resources: {},
  };
  for (const [identifier, wanted] of Object.entries(resources)) {
    const own = new Set(await ownScopes(tenant, identifier, wanted));
    part.resources[identifier] = wanted.filter((scope) =>
      (own.has(scope) ? (of.resources[identifier] ?? []) : of.scopes).includes(scope),
    );
  }
  return { part, whole: countOf(part) === countOf({ scopes, claims, resources }) };
}

export const without = (all: Allowed, part: Allowed): Allowed => ({
  scopes: all.scopes.filter((scope) => !part.scopes.includes(scope)),
  claims: all.claims.filter((claim) => !part.claims.includes(claim)),
  resources: Object.fromEntries(
    Object.entries(all.resources).map(([identifier, wanted]) => [
      identifier,
      wanted.filter((scope) => !part.resources[identifier]?.includes(scope)),
    ]),
  ),
});

const countOf = ({ scopes, claims, resources }: Allowed): number =>
  scopes.length + claims.length + Object.values(resources).flat().length;

/* ——— what is remembered ——— */

/** Where a redirect leads, as a person can be told and as it is remembered; a loopback port means nothing. */
export function destinationOf(redirectUri: unknown): string | undefined {
  const url = typeof redirectUri === 'string' ? URL.parse(redirectUri) : null;
  if (!url) return undefined;
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return url.protocol;
  return isLoopbackHost(url.hostname) ? 'localhost' : url.host;
}

/**
 * Whether the client that asks is the one that the user allowed. RFC 6749 §10.2 and RFC 8252 §8.6: one that keeps no
 * secret can only be told by an address that is its own, which the loopback interface and a scheme are not. And one that
 * moved to another host has changed hands for all that we know.
 */
function isRecognised({ oidc }: KoaContextWithOIDC, { destinations }: Consent): boolean {
  const { redirect_uri } = oidc.params!;
  const provable = oidc.client!.clientAuthMethod !== 'none' || String(redirect_uri).startsWith('https:');
  return provable && (destinations.length === 0 || destinations.includes(destinationOf(redirect_uri)!));
}

const partiesOf = ({ oidc }: KoaContextWithOIDC) => ({
  user: oidc.account!.accountId,
  client: oidc.client!.clientId,
});

/** With the client itself, whose refresh tokens say how long it lives. */
const newGrant = ({ oidc: { provider, account, client } }: KoaContextWithOIDC, jti?: string): Grant =>
  new provider.Grant({ accountId: account!.accountId, client, jti } as never);

async function consentedGrant(tenant: Tenant, ctx: KoaContextWithOIDC, found: Grant | undefined): Promise<Grant> {
  const { oidc } = ctx;
  const held = await consentOf(tenant, partiesOf(ctx));
  const decided = oidc.result?.consent !== undefined;
  const known = held && (decided || (!oidc.promptPending('consent') && isRecognised(ctx, held))) ? held : undefined;
  const { part, whole } = await allowedPart(tenant, requestedOf(ctx), known);
  const settled = known && whole ? await settle(tenant, ctx, known, found) : undefined;
  if (settled) return settled;
  // Not stored: what the engine measures the request against, so that it asks for the rest.
  const partial = newGrant(ctx, found?.jti);
  // Covered, and yet not settled: revoked just now.
  if (!whole) widen(partial, part);
  return partial;
}

/**
 * Brings the session's grant up to the consent. Looks at the consent again after writing: it may have been revoked
 * meanwhile, with all grants that were there, or have grown in another tab that shares the grant.
 * @returns undefined when it was revoked.
 */
async function settle(
  tenant: Tenant,
  ctx: KoaContextWithOIDC,
  held: Consent,
  found: Grant | undefined,
): Promise<Grant | undefined> {
  const { params } = ctx.oidc;
  const grant = found ?? newGrant(ctx);
  const first = held.destinations.length === 0 ? destinationOf(params!.redirect_uri) : undefined;
  for (let consent = held; ; ) {
    const allowed = widen(grant, allowedBy(consent));
    const changed = widen(grant, requestedOf(ctx)) || allowed || !grant.jti;
    if (!changed && !first && consent.last_login_at && consent.last_login_at > inSeconds(-DAY)) return grant;
    if (changed) await grant.save();
    // Stored before the consent is looked at again: a revocation in between must find it.
    await writeNow(tenant);
    const after = await noteLogin(tenant, consent, first);
    if (!after) {
      await grant.destroy();
      return undefined;
    }
    if (sizeOf(after) === sizeOf(consent)) return grant;
    consent = after;
  }
}

/**
 * The consent behind a grant that no browser asks for.
 * @throws Fault `consent_required` when the user has to allow this, and has not.
 */
export async function requireConsent(
  tenant: Tenant,
  client: Client,
  user: string,
  wanted: Allowed,
): Promise<Consent | undefined> {
  if (!(await isConsentDue(tenant, client, Object.keys(wanted.resources)))) return undefined;
  const held = await consentOf(tenant, { user, client: client.clientId });
  const { whole } = await allowedPart(tenant, wanted, held);
  if (!held || !whole) throw new Fault('consent_required');
  return held;
}

/** Once the grant is stored. @throws Fault `consent_required`, the grant being gone, when the consent was revoked meanwhile. */
export async function confirmConsent(tenant: Tenant, held: Consent | undefined, grant: Grant): Promise<void> {
  if (!held || (await noteLogin(tenant, held))) return;
  await grant.destroy();
  throw new Fault('consent_required');
}

/** Adds to a grant what it does not hold yet. @returns whether there was any such thing. */
export function widen(grant: Grant, { scopes, claims, resources }: Allowed): boolean {
  const before = JSON.stringify([grant.openid, grant.resources]);
  if (scopes.length) grant.addOIDCScope(scopes.join(' '));
  if (claims.length) grant.addOIDCClaims([...claims]);
  for (const [identifier, wanted] of Object.entries(resources))
    if (wanted.length) grant.addResourceScope(identifier, wanted.join(' '));
  return JSON.stringify([grant.openid, grant.resources]) !== before;
}

/* ——— the decision ——— */

type ConsentDetails = {
  missingOIDCScope?: string[];
  missingOIDCClaims?: string[];
  missingResourceScopes?: Record<string, string[]>;
  rar?: AuthorizationDetail[];
};

/** What an interaction's consent prompt asks for, beyond what was granted before. */
export async function wantedOf(tenant: Tenant, interaction: Interaction): Promise<Allowed> {
  const details = interaction.prompt.details as ConsentDetails;
  const resources: Record<string, string[]> = {};
  for (const [identifier, missing] of Object.entries(details.missingResourceScopes ?? {}))
    resources[identifier] = await ownScopes(tenant, identifier, missing);
  return { scopes: details.missingOIDCScope ?? [], claims: details.missingOIDCClaims ?? [], resources };
}

/** What an interaction's consent prompt asks for in detail (RFC 9396); never granted before, since each is asked anew. */
export const detailsOf = (interaction: Interaction): AuthorizationDetail[] =>
  (interaction.prompt.details as ConsentDetails).rar ?? [];

/** Remembers the user's "yes"; the grant is made when the flow goes on. */
export async function rememberConsent(tenant: Tenant, interaction: Interaction): Promise<void> {
  const { client_id, redirect_uri } = interaction.params;
  const wanted = await wantedOf(tenant, interaction);
  // Details are for this once: on their own they leave nothing to remember, or to remove again.
  if (detailsOf(interaction).length && countOf(wanted) === 0) return;
  await addConsent(
    tenant,
    { user: interaction.session!.accountId, client: client_id as string },
    wanted,
    destinationOf(redirect_uri),
  );
}
