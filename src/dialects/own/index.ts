/** The JSON of our own pages and apps, besides the management API: the session's user, passwordless login, sign-up, passwords, the device flow. */
import type { FastifyInstance } from 'fastify';
import type { LoginPolicy } from '../../auth/conclude-login.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import { challenge } from './challenge.ts';
import { changePassword } from './change-password.ts';
import { deviceAddresses } from './device-addresses.ts';
import { deviceJson } from './device-json.ts';
import { me } from './me.ts';
import { passwordlessStart, type StartOptions } from './passwordless-start.ts';
import { signUpByApi } from './sign-up.ts';

type OwnOptions = StartOptions & { policy: LoginPolicy };

export async function ownDialect(
  app: FastifyInstance,
  browser: Browser,
  { policy, ...start }: OwnOptions,
): Promise<void> {
  deviceAddresses(app);
  me(app, browser);
  await challenge(app);
  await passwordlessStart(app, browser, start);
  await signUpByApi(app, browser, start);
  await changePassword(app, browser, start);
  deviceJson(app, browser, policy);
}
