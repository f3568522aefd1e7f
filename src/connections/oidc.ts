/** An OpenID Connect issuer that the account trusts: its tokens are checked against its published keys. */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { MINUTE, SECOND } from '../kernel/clock.ts';
import { Fault } from '../kernel/fault.ts';
import { safeFetch } from './safe-fetch.ts';
import { clientSettings, issuerSettings, settings } from './settings.ts';
import type { Strategy, TokenStrategy } from './strategy.ts';

/** Signatures that a holder of the public key cannot make. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'Ed25519',
  'EdDSA',
];
const CLOCK_TOLERANCE_SECONDS = 15;
const KEEP_SECONDS = 10 * MINUTE;
/** Between two fetches of one address: for a key that is not there yet, and after a fetch that failed. */
const COOLDOWN_SECONDS = 30 * SECOND;

const keySets = new LRUCache<string, JWTVerifyGetKey>({ max: 1000 });

function keysAt(owner: string, address: string, production: boolean): JWTVerifyGetKey {
  const key = `${owner} ${address}`;
  const known = keySets.get(key);
  if (known) return known;
  let failedUntil = 0;
  const keys = createRemoteJWKSet(new URL(address), {
    cacheMaxAge: KEEP_SECONDS * 1000,
    cooldownDuration: COOLDOWN_SECONDS * 1000,
    [customFetch]: async (url) => {
      if (failedUntil > Date.now()) throw new Error('the keys could not be fetched a moment ago');
      try {
        return Response.json(JSON.parse((await safeFetch(url, { production })).toString()));
      } catch (error) {
        failedUntil = Date.now() + COOLDOWN_SECONDS * 1000;
        throw error;
      }
    },
  });
  keySets.set(key, keys);
  return keys;
}

export const oidc = {
  type: 'oidc',
  title: 'OpenID Connect',
  settings: settings({ ...clientSettings, ...issuerSettings }),
  secrets: ['client_secret'],

  async verifyToken({ id, issuer, jwksUrl, audience }, token, { production }) {
    try {
      const { payload } = await jwtVerify(token, keysAt(id, jwksUrl, production), {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
      });
      return payload;
    } catch (error) {
      if (isTheirs(error))
        throw new Fault('upstream_failed', undefined, { cause: error, retryAfterSeconds: COOLDOWN_SECONDS });
      return 'refused';
    }
  },
} as const satisfies Strategy & TokenStrategy;

/** The other side's keys are what is missing, so nothing is known of the token. */
const isTheirs = (error: unknown): boolean =>
  !(error instanceof errors.JOSEError) || error instanceof errors.JWKSInvalid || error instanceof errors.JWKSTimeout;
