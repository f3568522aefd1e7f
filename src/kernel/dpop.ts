/** What both sides of DPoP (RFC 9449) agree on here: the token endpoint's engine, and the management API that takes the tokens. */

/** Signature algorithms of proofs: asymmetric ones that FAPI 2.0 (§5.4) allows. */
export const DPOP_ALGS = ['ES256', 'EdDSA', 'Ed25519', 'PS256'] as const;

/** How far a proof's `iat` may be from our clock, either way. */
export const PROOF_WINDOW_SECONDS = 300;
