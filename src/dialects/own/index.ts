/** The JSON of our own pages and apps, besides the management API: the session's user, passwordless login, the device flow. */
import type { FastifyInstance } from 'fastify';
import type { Browser } from '../../oidc/browser/browser.ts';
import { deviceAddresses } from './device-addresses.ts';
import { deviceJson } from './device-json.ts';
import { me } from './me.ts';
import { passwordlessStart, type StartOptions } from './passwordless-start.ts';

export async function ownDialect(app: FastifyInstance, browser: Browser, options: StartOptions): Promise<void> {
  deviceAddresses(app);
  me(app, browser);
  await passwordlessStart(app, browser, options);
  deviceJson(app, browser);
}
