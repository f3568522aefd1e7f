/** The one file that reaches into the engine, whose version number does not cover it: grants of one's own, what it publishes. */
import type { Provider, TokenEndpointGrantContext } from 'oidc-provider';
// @ts-expect-error it has no types: writes the document that discovery answers
import discovery from 'oidc-provider/lib/actions/discovery.js';
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

/** What discovery answers, without a request: nothing in it is the request's. */
export function discoveryOf(provider: Provider): object {
  const { issuer } = provider;
  const ctx: { body?: object } & Record<string, unknown> = {
    oidc: { provider, issuer, urlFor: (name: string) => provider.urlFor(name) },
  };
  discovery(ctx);
  return ctx.body!;
}

/** The keys that the engine verifies and is verified with, their public members alone. */
export const publicKeysOf = (provider: Provider): { keys: object[] } => settingsOf(provider).jwks;

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
