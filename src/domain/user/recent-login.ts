/**
 * How old a login may be for what would carry an account off: whoever finds an unlocked device must not walk away with it
 * (OWASP ASVS 5.0 §7.5.1).
 */
import { MINUTE, nowSeconds } from '../../kernel/clock.ts';
import { Fault } from '../../kernel/fault.ts';

export const RECENT_SECONDS = 10 * MINUTE;

/** As the engine reads `max_age`. @param authTime Unix time of the login in seconds. */
export const isRecent = (authTime: number | undefined): boolean => (authTime ?? 0) >= nowSeconds() - RECENT_SECONDS;

/** @throws Fault `insufficient_user_authentication` (RFC 9470) for a user whose login is not recent. */
export function requireRecentLogin({ authTime }: { authTime?: number }): void {
  if (isRecent(authTime)) return;
  throw new Fault('insufficient_user_authentication', undefined, { details: { max_age: RECENT_SECONDS } });
}
