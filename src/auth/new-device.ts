/**
 * Tells a user by mail of a login in a browser that they had not logged in with before. Which browser that is, and whether
 * it is known, is remembered by the browser itself (oidc/browser/devices.ts): a login in a known one asks nobody.
 */
import { newDevice } from '../domain/message/new-device.ts';
import { append } from '../domain/trail/log.ts';
import type { User } from '../domain/user/user.ts';
import { DAY, now } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { roughly } from '../kernel/network.ts';
import { agentWords } from '../kernel/user-agent.ts';
import { addOnce, isServed } from '../outbox/outbox.ts';
import { limiter } from '../store/limiter.ts';

/** Whoever knows a password, or keeps no cookies, fills no mailbox. */
const mailsTo = limiter('new-device', 10, DAY);

/**
 * The first login of all is one that its user knows of.
 * @param user as they were before this login.
 * @param browser what names the browser: of its logins at once one is told of.
 */
export async function noteNewDevice(tenant: Tenant, user: User, browser: string, from: Origin): Promise<void> {
  if (user.logins_count === 0) return;
  const agent = agentWords(from.userAgent);
  if (user.email && isServed(newDevice.channel) && (await mailsTo.consume(`${tenant.id} ${user.id}`)) === null) {
    const data = {
      user: user.id,
      ...agent,
      network: roughly(from.ip),
      at: now().toISOString(),
      link: `${tenant.origin}/account/sessions`,
      reset_link: `${tenant.origin}/flow/reset-password`,
    };
    const isFirst = await addOnce(tenant, newDevice, { to: user.email, ref: user.id, data }, `${user.id} ${browser}`);
    if (!isFirst) return;
  }
  await append(tenant, {
    type: 'user.new_device',
    status: 'success',
    user: user.id,
    data: { ip: from.ip, ...agent },
  });
}
