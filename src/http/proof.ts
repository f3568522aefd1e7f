/**
 * Proof that whoever sends an access token holds the key it is bound to (RFC 9449 §7), for the management API. The OAuth
 * endpoints have theirs checked by the engine.
 */
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import { claimOnce } from '../domain/protocol/protocol-row.ts';
import { inSeconds, nowSeconds } from '../kernel/clock.ts';
import { DPOP_ALGS, PROOF_WINDOW_SECONDS } from '../kernel/dpop.ts';
import { Fault } from '../kernel/fault.ts';

const MAX_PROOF_LENGTH = 4096;

type Bound = { token: string; thumbprint: string; clientId: string };

/** @throws Fault `invalid_dpop_proof` unless the request carries a fresh proof by the token's key, for this very request. */
export async function checkProof(request: FastifyRequest, { token, thumbprint, clientId }: Bound): Promise<void> {
  const { dpop } = request.headers;
  // §4.3: exactly one; Node joins several with a comma, which no JWT has.
  if (typeof dpop !== 'string' || dpop.length > MAX_PROOF_LENGTH) throw new Fault('invalid_dpop_proof');
  const { payload, protectedHeader } = await jwtVerify(dpop, EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms: [...DPOP_ALGS],
  }).catch((cause: unknown) => {
    throw new Fault('invalid_dpop_proof', undefined, { cause });
  });
  const { jti, iat, htm, htu, ath } = payload;
  const fits =
    typeof jti === 'string' &&
    jti !== '' &&
    typeof iat === 'number' &&
    Math.abs(nowSeconds() - iat) <= PROOF_WINDOW_SECONDS &&
    htm === request.method &&
    addressOf(htu) === addressOf(`${request.tenant.origin}${request.url}`) &&
    ath === createHash('sha256').update(token).digest('base64url') &&
    (await calculateJwkThumbprint(protectedHeader.jwk!)) === thumbprint;
  if (!fits) throw new Fault('invalid_dpop_proof');
  // A proof may come from a clock that is ahead: it is remembered until none could be as old.
  const unseen = await claimOnce(
    request.tenant,
    { kind: 'DPoPProof', token: `${clientId} ${jti}` },
    inSeconds(2 * PROOF_WINDOW_SECONDS),
  );
  if (!unseen) throw new Fault('invalid_dpop_proof', 'The DPoP proof was used before.');
}

/** §4.3: `htu` is compared without query and fragment, after normalization (RFC 3986 §6.2.2). */
function addressOf(url: unknown): string | undefined {
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  return parsed ? `${parsed.origin}${parsed.pathname}` : undefined;
}
