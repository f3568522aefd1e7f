/**
 * The hosted pages: the one list of their journeys, and the scope that they run in. A page that is of none of them is
 * neither looked at by the test of the pages nor visited by the crawl.
 */
import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import { account } from './account/account.ts';
import { accountData } from './account/account-data.ts';
import { accountDelete } from './account/account-delete.ts';
import { accountEmail } from './account/account-email.ts';
import { accountPassword } from './account/account-password.ts';
import { apps } from './account/apps.ts';
import { devices } from './account/devices.ts';
import { profile } from './account/profile.ts';
import { consent } from './consent/consent.ts';
import { device } from './device/device.ts';
import { errorPage } from './error/error-page.ts';
import { landing } from './landing/landing.ts';
import { linkDone } from './link/link-done.ts';
import { mailedLinks } from './link/mailed-links.ts';
import { passwordless } from './link/passwordless.ts';
import { back } from './login/back.ts';
import { dispatch } from './login/dispatch.ts';
import { formPostPage } from './login/form-post-page.ts';
import { leave } from './login/leave.ts';
import { login } from './login/login.ts';
import { loginCallback } from './login/login-callback.ts';
import { mailLogin } from './login/mail.ts';
import { returning } from './login/return.ts';
import { webMessagePage } from './login/web-message-page.ts';
import { logout } from './logout/logout.ts';
import { outbox } from './outbox/outbox.ts';
import { resetAsk } from './reset/ask.ts';
import { reset } from './reset/reset.ts';
import type { FlowDeps, Journey } from './shell/journey.ts';
import type { Page, PageData } from './shell/page.ts';
import { signingUp } from './sign-up/sign-up.ts';

const journeys: readonly Journey[] = [
  dispatch,
  login,
  signingUp,
  mailLogin,
  loginCallback,
  back,
  leave,
  returning,
  consent,
  account,
  profile,
  accountEmail,
  accountPassword,
  devices,
  accountData,
  accountDelete,
  apps,
  device,
  passwordless,
  mailedLinks,
  linkDone,
  resetAsk,
  reset,
  logout,
  landing,
  outbox,
];

/** Every page of ours: those of the journeys, and those that answer at addresses that are not a page's. */
export const pages: readonly Page<PageData>[] = [
  ...journeys.flatMap((journey) => journey.pages),
  errorPage,
  formPostPage,
  webMessagePage,
];

/** Fastify plugin: every page of ours. */
export async function flows(app: FastifyInstance, deps: FlowDeps): Promise<void> {
  // Only pages take forms.
  await app.register(formbody, { bodyLimit: 65_536 });
  for (const { mount } of journeys) mount(app, deps);
}
