/**
 * The challenge that an account may put before what a stranger can have done: work that a machine does once and a flood
 * does not, or a service that tells people from programs. One function for the pages and for the API. What the challenge
 * is says nothing of who passes it, so it comes before anything is looked up.
 */
import { createHash } from 'node:crypto';
import { challengeSecretOf } from '../domain/account/account.ts';
import type { ChallengeOccasion } from '../domain/account/account-settings.ts';
import { MINUTE, nowSeconds } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { mintToken } from '../kernel/secret/random.ts';
import { isMac, mac } from '../kernel/secret/seal.ts';
import { limiter } from '../store/limiter.ts';

/** How long there is to solve one, and to send what was solved. */
export const CHALLENGE_SECONDS = 30 * MINUTE;
/** Of a hash that have to be zero: some 65,000 tries, a quarter of a second of a phone. */
const DIFFICULTY = 16;
const TIMEOUT_MS = 5_000;

export type Challenge =
  | { provider: 'proof_of_work'; challenge: string; difficulty: number }
  | { provider: 'turnstile'; site_key: string; script_url: string };

let turnstile = '';
/** The address that Turnstile's `siteverify` and `api.js` are below; as the process starts. */
export function useTurnstile(url: string): void {
  turnstile = url;
}

/** What whoever does this has to solve first; undefined where nothing is asked. Each call makes another one. */
export function challengeFor(tenant: Tenant, occasion: ChallengeOccasion): Challenge | undefined {
  const { provider, on, site_key } = tenant.account.challenge;
  if (provider === 'none' || !on.includes(occasion)) return undefined;
  if (provider === 'turnstile') return { provider, site_key: site_key ?? '', script_url: `${turnstile}/api.js` };
  const over = nowSeconds() + CHALLENGE_SECONDS;
  const said = `${over}.${DIFFICULTY}.${mintToken(12)}`;
  return { provider, challenge: `${said}.${mac(PURPOSE, bound(tenant, occasion, said))}`, difficulty: DIFFICULTY };
}

const PURPOSE = 'challenge';
const bound = (tenant: Tenant, occasion: ChallengeOccasion, said: string) => `${tenant.id} ${occasion} ${said}`;

/**
 * @param response to the challenge: `<challenge>:<what was found>`, or the service's token. Each is good once: of N at once
 *   one passes.
 * @throws Fault `challenge_required`, `challenge_failed`; `upstream_failed` where the service is away.
 */
export async function passChallenge(
  tenant: Tenant,
  occasion: ChallengeOccasion,
  response: string | undefined,
): Promise<void> {
  const { provider, on } = tenant.account.challenge;
  if (provider === 'none' || !on.includes(occasion)) return;
  if (!response) throw new Fault('challenge_required');
  const passed =
    provider === 'turnstile' ? await isTaken(tenant, response) : await isWorkDone(tenant, occasion, response);
  if (!passed) throw new Fault('challenge_failed');
}

/* ——— work ——— */

const used = limiter('challenge', 1, CHALLENGE_SECONDS);

/** Judged before anything is written, so that what is made up leaves no trace. */
async function isWorkDone(tenant: Tenant, occasion: ChallengeOccasion, response: string): Promise<boolean> {
  const match = /^((\d{1,12})\.(\d{1,3})\.[\w-]{1,40})\.([\w-]{1,60}):[\w-]{1,40}$/.exec(response);
  if (!match) return false;
  const [, said, over, difficulty, tag] = match as unknown as [string, string, string, string, string];
  if (!isMac(PURPOSE, bound(tenant, occasion, said), tag) || Number(over) <= nowSeconds()) return false;
  if (zeroBits(createHash('sha256').update(response).digest()) < Number(difficulty)) return false;
  return (await used.consume(`${tenant.id} ${said}`)) === null;
}

function zeroBits(hash: Buffer): number {
  const at = hash.findIndex((byte) => byte !== 0);
  return at < 0 ? hash.length * 8 : at * 8 + Math.clz32(hash[at]!) - 24;
}

/* ——— a service ——— */

/** https://developers.cloudflare.com/turnstile/get-started/server-side-validation; a token is good once, by their count. */
async function isTaken(tenant: Tenant, response: string): Promise<boolean> {
  const secret = await challengeSecretOf(tenant);
  const away = (cause: unknown) =>
    new Fault('upstream_failed', undefined, { detail: { service: 'turnstile' }, cause, retryAfterSeconds: MINUTE });
  const answer = await fetch(`${turnstile}/siteverify`, {
    method: 'POST',
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    body: new URLSearchParams({ secret: secret ?? '', response: response.slice(0, 2048) }),
  }).catch((cause: unknown) => {
    throw away(cause);
  });
  const said = (await answer.json().catch(() => undefined)) as
    | { success?: unknown; 'error-codes'?: unknown }
    | undefined;
  if (typeof said?.success !== 'boolean') throw away(new Error(`answered ${answer.status}`));
  const codes = Array.isArray(said['error-codes']) ? said['error-codes'] : [];
  // The tenant's to mend, and nobody's who wants in: a wrong secret is not a wrong answer.
  if (
    codes.some(
      (code) => code === 'invalid-input-secret' || code === 'missing-input-secret' || code === 'internal-error',
    )
  )
    throw away(new Error(`the service said ${codes.join(', ').slice(0, 200)}`));
  return said.success;
}
