/** The one list of the pages: what is not in it is neither looked at by the test of the pages nor visited by the crawl. */
import { appRemovePage } from './account/app-remove-page.ts';
import { appsPage } from './account/apps-page.ts';
import { consentPage } from './consent/consent-page.ts';
import { deviceActivatePage } from './device/device-activate-page.ts';
import { deviceConfirmPage } from './device/device-confirm-page.ts';
import { deviceDonePage } from './device/device-done-page.ts';
import { errorPage } from './error/error-page.ts';
import { landingPage } from './landing/landing-page.ts';
import { playgroundPage } from './landing/playground-page.ts';
import { emailLinkPage } from './link/email-link-page.ts';
import { linkDonePage } from './link/link-done-page.ts';
import { formPostPage } from './login/form-post-page.ts';
import { loginPage } from './login/login-page.ts';
import { signedInPage } from './login/signed-in-page.ts';
import { webMessagePage } from './login/web-message-page.ts';
import { logoutPage } from './logout/logout-page.ts';
import { signedOutPage } from './logout/signed-out-page.ts';
import type { Page, PageData } from './shell/page.ts';

export const pages: readonly Page<PageData>[] = [
  loginPage,
  signedInPage,
  consentPage,
  formPostPage,
  webMessagePage,
  appsPage,
  appRemovePage,
  deviceActivatePage,
  deviceConfirmPage,
  deviceDonePage,
  emailLinkPage,
  linkDonePage,
  logoutPage,
  signedOutPage,
  errorPage,
  landingPage,
  playgroundPage,
];
