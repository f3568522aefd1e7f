/** The one file that reaches into the engine: its helpers for grants of one's own, which its version number does not cover. */
import type { Provider, TokenEndpointGrantContext } from 'oidc-provider';
import {
  checkDpopReplay,
  checkDpopRequired,
  type DPoPValidationResult,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js';

// @ts-expect-error it has no types: a Provider's settings as the engine uses them
import settingsOf from 'oidc-provider/lib/helpers/weak_cache.js';

/**
 * Algorithms that a client may ask for, and that discovery names. The engine goes by the keys that are there when it is
 * made; ours are made when an algorithm is first asked for.
 */
export function offerSigningAlgs(provider: Provider, algs: readonly string[]): void {
  Object.assign(settingsOf(provider).configuration, {
    idTokenSigningAlgValues: [...algs],
    userinfoSigningAlgValues: [...algs],
    authorizationSigningAlgValues: [...algs],
  });
}

export { buildTokenResponse } from 'oidc-provider/lib/helpers/grants.js';

export type GrantContext = TokenEndpointGrantContext<Record<string, string | undefined>>;

export type Proofs = { dPoP: DPoPValidationResult | undefined };

/** DPoP (RFC 9449) of a token request, checked before anything is used up. */
export async function checkProofs(ctx: GrantContext): Promise<Proofs> {
  const { provider } = ctx.oidc;
  const dPoP = await validateDpop(provider, ctx);
  checkDpopRequired(provider, ctx, dPoP);
  return { dPoP };
}

/** @returns the thumbprint of the key that tokens are bound to. @throws InvalidGrant for a proof that was seen before. */
export async function useProofs(ctx: GrantContext, { dPoP }: Proofs): Promise<string | undefined> {
  if (dPoP) await checkDpopReplay(ctx.oidc.provider, ctx, dPoP, ctx.oidc.client.clientId);
  return dPoP?.thumbprint;
}
