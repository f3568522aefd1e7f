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
import { type FormPage, usernamePassword } from './username-password.ts';

type OwnOptions = StartOptions & { policy: LoginPolicy; formPage: FormPage };

export async function ownDialect(
  app: FastifyInstance,
  browser: Browser,
  { policy, formPage, ...start }: OwnOptions,
): Promise<void> {
  deviceAddresses(app);
  me(app, browser);
  await challenge(app);
  await passwordlessStart(app, browser, start);
  await signUpByApi(app, browser, start);
  await changePassword(app, browser, start);
  await usernamePassword(app, browser, { policy, formPage });
  deviceJson(app, browser, policy);
}
