/**
 * Clients whose tokens are theirs alone: they prove who they are by a key, and hold another that their tokens are bound to.
 * For them FAPI 2.0 has rules of its own about what is signed for them, and about their refresh tokens.
 */
import type { SigningAlg } from '../key/signing-key.ts';

type Registered = { token_endpoint_auth_method?: string; dpop_bound_access_tokens?: boolean };

export const isSenderConstrained = (client: Registered): boolean =>
  client.token_endpoint_auth_method === 'private_key_jwt' && client.dpop_bound_access_tokens === true;

/** FAPI 2.0 Security Profile §5.4.1 has PS256, ES256 and EdDSA, and not what everybody else gets unless they say otherwise. */
const [USUAL, STRICT] = ['RS256', 'ES256'] as const satisfies readonly SigningAlg[];

/** How answers are signed for a client that says nothing about it. */
export const usualAlg = (client: Registered): SigningAlg => (isSenderConstrained(client) ? STRICT : USUAL);

/** How an access token is signed. @param alg what its Api has. */
export const tokenAlg = (alg: SigningAlg | undefined, senderConstrained: boolean | undefined): SigningAlg =>
  senderConstrained && (alg ?? USUAL) === USUAL ? STRICT : (alg ?? USUAL);

const SIGNED = ['id_token_signed_response_alg', 'authorization_signed_response_alg'] as const;
type Algs = Partial<Record<(typeof SIGNED)[number], SigningAlg>>;

/**
 * The algorithms of a change that makes a client one of these, where the change does not name them. What was named before is
 * not told apart from what holds by itself, and the change is the word that counts.
 */
export function algsOf(change: Registered & Algs, current: Registered & Algs): Algs {
  const becomes = {
    ...current,
    ...Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)),
  };
  if (!isSenderConstrained(becomes) || isSenderConstrained(current)) return {};
  return Object.fromEntries(
    SIGNED.flatMap((field) =>
      change[field] === undefined && (current[field] ?? USUAL) === USUAL ? [[field, STRICT]] : [],
    ),
  );
}
