/** FAPI 2.0: which clients the profile is for. What it asks of them is where such things are decided, by this name. */
import type { Client } from 'oidc-provider';

/**
 * The profile that a client asked for by being set up for it (FAPI 2.0 Security Profile §5.3): requests only pushed, tokens
 * bound to a key, authentication by a key. What the profile leaves no choice in follows from it.
 */
export const fapiProfile = (client: Client | undefined): '2.0' | undefined =>
  client?.clientAuthMethod === 'private_key_jwt' &&
  client.requirePushedAuthorizationRequests &&
  client.dpopBoundAccessTokens
    ? '2.0'
    : undefined;

/** FAPI 2.0 Security Profile §5.4: RSASSA-PKCS1-v1_5 is not among the signatures that clients may make. */
export const isFapiAlg = (alg: unknown): boolean => ['PS256', 'ES256', 'EdDSA', 'Ed25519'].includes(alg as string);
