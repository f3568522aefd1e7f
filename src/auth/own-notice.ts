/**
 * Whether somebody is mailed of what they did to their own account. An address that nobody has proved may be somebody
 * else's, whom a stranger who signed up with it would have mailed as often as they like.
 */
import type { User } from '../domain/user/user.ts';
import { HOUR } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { isServed } from '../outbox/outbox.ts';
import { limiter } from '../store/limiter.ts';

const unproven = limiter('own-notice', 3, HOUR);

/** Counts one. False too where there is no address, or no mail can leave. */
export async function isToldOfOwn({ id }: Tenant, { email, email_verified }: User): Promise<boolean> {
  if (!email || !isServed('mail')) return false;
  return email_verified || (await unproven.consume(`${id} ${email}`)) === null;
}
