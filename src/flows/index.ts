/** The hosted pages: the one list of their journeys, and the scope that they run in. */
import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import { mount as apps } from './account/apps.ts';
import { mount as consent } from './consent/consent.ts';
import { mount as device } from './device/device.ts';
import { mount as landing } from './landing/landing.ts';
import { mount as linkDone } from './link/link-done.ts';
import { mount as passwordless } from './link/passwordless.ts';
import { mount as dispatch } from './login/dispatch.ts';
import { mount as login } from './login/login.ts';
import { mount as returning } from './login/return.ts';
import { mount as logout } from './logout/logout.ts';
import type { FlowDeps, Journey } from './shell/journey.ts';

const journeys: readonly Journey[] = [
  dispatch,
  login,
  returning,
  consent,
  apps,
  device,
  passwordless,
  linkDone,
  logout,
  landing,
];

/** Fastify plugin: every page of ours. */
export async function flows(app: FastifyInstance, deps: FlowDeps): Promise<void> {
  // Only pages take forms.
  await app.register(formbody, { bodyLimit: 65_536 });
  for (const mount of journeys) mount(app, deps);
}
