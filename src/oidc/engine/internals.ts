/** The one file that reaches into the engine: its helpers for grants of one's own, which its version number does not cover. */
import type { Provider, TokenEndpointGrantContext } from 'oidc-provider';
import {
  checkDpopReplay,
  checkDpopRequired,
  checkMtlsCert,
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

export {
  applyRefreshTokenBindings,
  buildTokenResponse,
  resolveAndApplyResource,
  resolveRequestedResources,
  shouldIssueRefreshToken,
} from 'oidc-provider/lib/helpers/grants.js';

export type GrantContext = TokenEndpointGrantContext<Record<string, string | undefined>>;

export type Proofs = { cert: ReturnType<typeof checkMtlsCert>; dPoP: DPoPValidationResult | undefined };

/** DPoP (RFC 9449) and certificate binding (RFC 8705) of a token request, checked before anything is used up. */
export async function checkProofs(ctx: GrantContext): Promise<Proofs> {
  const { provider } = ctx.oidc;
  const dPoP = await validateDpop(provider, ctx);
  const cert = checkMtlsCert(provider, ctx);
  checkDpopRequired(provider, ctx, dPoP);
  return { cert, dPoP };
}

type Bindable = { setThumbprint(kind: 'x5t' | 'jkt', value: unknown): void };

/** Binds a token to the proofs. @throws InvalidGrant for a DPoP proof that was seen before. */
export async function bindToProofs(ctx: GrantContext, { cert, dPoP }: Proofs, token: object): Promise<void> {
  if (cert) (token as Bindable).setThumbprint('x5t', cert);
  if (!dPoP) return;
  await checkDpopReplay(ctx.oidc.provider, ctx, dPoP, ctx.oidc.client.clientId);
  (token as Bindable).setThumbprint('jkt', dPoP.thumbprint);
}
