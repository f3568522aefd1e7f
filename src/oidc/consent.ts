/**
 * When consent is due and what a decision grants. First-party clients get what they ask for, unless an Api insists;
 * third-party clients get what the user allowed.
 */
import type { Grant, Interaction, KoaContextWithOIDC } from 'oidc-provider';
import type { Tenant } from '../kernel/context.ts';
import type { ClientExtras } from './client-metadata.ts';
import { skipsConsent } from './resource-server.ts';

/** Whether the user has to be asked before the client gets what it asks for. */
export async function isConsentDue(tenant: Tenant, ctx: KoaContextWithOIDC): Promise<boolean> {
  if (!(ctx.oidc.client as unknown as ClientExtras).first_party) return true;
  for (const identifier of Object.keys(ctx.oidc.resourceServers ?? {}))
    if (!(await skipsConsent(tenant, identifier))) return true;
  return false;
}

/** The engine's `loadExistingGrant`: the session's grant, widened silently where no consent is due. */
export async function existingGrant(tenant: Tenant, ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const clientId = oidc.client!.clientId;
  const accountId = oidc.account!.accountId;
  const id = oidc.result?.consent?.grantId ?? oidc.session!.grantIdFor(clientId);
  const found = id ? await oidc.provider.Grant.find(id) : undefined;
  // A session may have changed hands; a grant never does.
  const grant = found?.accountId === accountId && found.clientId === clientId ? found : undefined;
  if (await isConsentDue(tenant, ctx)) return grant;

  const wide = grant ?? new oidc.provider.Grant({ accountId, clientId });
  const before = JSON.stringify([wide.openid, wide.resources]);
  widen(wide, {
    scopes: [...oidc.requestParamOIDCScopes],
    claims: [...oidc.requestParamClaims],
    resources: Object.fromEntries(
      Object.entries(oidc.resourceServers ?? {}).map(([identifier, server]) => [
        identifier,
        [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope)),
      ]),
    ),
  });
  if (!grant || JSON.stringify([wide.openid, wide.resources]) !== before) await wide.save();
  return wide;
}

type Wanted = { scopes: readonly string[]; claims: readonly string[]; resources: Record<string, readonly string[]> };

/** Adds to a grant what it does not hold yet. */
export function widen(grant: Grant, { scopes, claims, resources }: Wanted): void {
  if (scopes.length) grant.addOIDCScope(scopes.join(' '));
  if (claims.length) grant.addOIDCClaims([...claims]);
  for (const [identifier, wanted] of Object.entries(resources)) grant.addResourceScope(identifier, wanted.join(' '));
}

type ConsentDetails = {
  missingOIDCScope?: string[];
  missingOIDCClaims?: string[];
  missingResourceScopes?: Record<string, string[]>;
};

/** What an interaction's consent prompt asks for, beyond what was granted before. */
export function wantedOf(interaction: Interaction): Wanted {
  const details = interaction.prompt.details as ConsentDetails;
  return {
    scopes: details.missingOIDCScope ?? [],
    claims: details.missingOIDCClaims ?? [],
    resources: details.missingResourceScopes ?? {},
  };
}

/** Stores the user's "yes" and answers the grant's id. */
export async function grantConsent(
  provider: import('oidc-provider').Provider,
  interaction: Interaction,
): Promise<string> {
  const previous = interaction.grantId ? await provider.Grant.find(interaction.grantId) : undefined;
  const grant =
    previous ??
    new provider.Grant({
      accountId: interaction.session!.accountId,
      clientId: interaction.params.client_id as string,
    });
  widen(grant, wantedOf(interaction));
  return grant.save();
}
