/**
 * Signed assertions by which clients prove who they are (RFC 7523, OIDC Core §9): how long one may live, that it is good
 * once on all instances together, and that the keys it is checked against are the client's keys of today.
 */
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { countAssertion } from '../../auth/open-request.ts';
import { claimOnce } from '../../domain/protocol/protocol-row.ts';
import { HOUR, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { PROOF_WINDOW_SECONDS } from '../../kernel/dpop.ts';
import { asGrant } from '../grants/grant-type.ts';
import { isAnybodys } from './client-metadata.ts';
import { fapiProfile, isFapiAlg } from './fapi.ts';

/** RFC 7523 §3: one that is good for longer may be refused, and would have to be remembered as long. */
const LONGEST_SECONDS = HOUR;
/** How long keys that cannot be fetched anew are still believed, so that a short outage locks nobody out. */
const STALE_SECONDS = HOUR;

/** The engine has checked signature, issuer, subject, audience and expiry. @throws InvalidClientAuth; 429 for too many. */
export async function checkAssertion(
  tenant: Tenant,
  ctx: KoaContextWithOIDC,
  claims: { aud?: unknown; exp?: unknown; jti?: unknown },
  header: { alg?: unknown },
): Promise<void> {
  if (fapiProfile(ctx.oidc.client)) {
    // FAPI 2.0 §5.3.2.1: the issuer, as a string, so that no assertion for another server fits here.
    if (claims.aud !== ctx.oidc.issuer)
      throw new errors.InvalidClientAuth('the audience of the client_assertion must be the issuer');
    if (!isFapiAlg(header.alg)) throw new errors.InvalidClientAuth('the client_assertion is signed too weakly');
  }
  if ((claims.exp as number) > nowSeconds() + LONGEST_SECONDS)
    throw new errors.InvalidClientAuth('the client_assertion expires too far in the future');
  // Each is a row: who registers may sign as many as they like.
  if (isAnybodys(ctx.oidc.client!)) await asGrant(ctx, () => countAssertion(tenant, ctx.ip));
}

/**
 * Whether it is the first of its kind: of several at once exactly one is. DPoP proofs (RFC 9449 §11.1) go the same way, and
 * are good for longer than the engine reckons where they come from a clock that is ahead.
 * @param expiresAt as a Unix time in seconds.
 */
export const claimAssertion = (
  tenant: Tenant,
  { issuer, jti, expiresAt }: { issuer: string; jti: string; expiresAt: number },
): Promise<boolean> =>
  claimOnce(
    tenant,
    { kind: 'ReplayDetection', token: JSON.stringify([issuer, jti]) },
    new Date((Math.ceil(expiresAt) + PROOF_WINDOW_SECONDS) * 1000),
  );

type Keys = { jwksUri?: string; freshUntil?: number; stale(): boolean; refresh(): Promise<void>; clear(): void };

/**
 * The engine asks a client's `jwks_uri` again only when a signature fails, so that a key which its owner withdrew would go
 * on being accepted. Here they are fetched when their time is over and something signed has come.
 */
export async function refreshKeys(client: object): Promise<void> {
  const { asymmetricKeyStore: keys } = client as { asymmetricKeyStore: Keys };
  if (!keys.jwksUri || !keys.stale()) return;
  try {
    await keys.refresh();
  } catch {
    if ((keys.freshUntil ?? 0) < nowSeconds() - STALE_SECONDS) keys.clear();
  }
}
