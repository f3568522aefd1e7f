/**
 * The pages of the device flow (RFC 8628 §3.3): type the code that the device shows, see what asks, and decide. Finding
 * and deciding are auth/device.ts's.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type Decision,
  decide,
  decidedBefore,
  decisionOn,
  handleOf,
  lookUpDevice,
  type Visitor,
} from '../../auth/device.ts';
import { type DeviceCode, readUserCode } from '../../domain/protocol/device-code.ts';
import { Fault } from '../../kernel/fault.ts';
import { duration } from '../../look/words.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import { appsAddress, noticeOf, sentences } from '../consent/app-words.ts';
import { chosenLanguage, href, queryOf, text } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon, pageUser } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { deviceActivatePage } from './device-activate-page.ts';
import { deviceConfirmPage } from './device-confirm-page.ts';
import { deviceDonePage } from './device-done-page.ts';

const ACTIVATE = '/flow/device-code/activate';
const CONFIRM = '/flow/device-code/confirm';
const DONE = '/flow/device-code/done';

const codeIn = (request: FastifyRequest): string => (text(queryOf(request).user_code) ?? '').slice(0, 40).trim();

function showActivate(
  request: FastifyRequest,
  reply: FastifyReply,
  attempt: { code?: string; error?: 'unknown' | 'too_many' | 'missing'; status?: number; wait?: number } = {},
) {
  const common = pageCommon(request);
  const { wait } = attempt;
  if (wait) reply.header('retry-after', String(wait));
  return renderPage(
    reply,
    deviceActivatePage,
    {
      ...common,
      action: CONFIRM,
      lang: chosenLanguage(request),
      code: attempt.code,
      error: attempt.error && {
        key: `device.error.${attempt.error}`,
        values: { time: duration(common.locale, wait ?? 60) },
      },
    },
    { status: attempt.status },
  );
}

async function showConfirm(
  request: FastifyRequest,
  reply: FastifyReply,
  browser: Browser,
  visitor: Visitor,
  row: DeviceCode,
) {
  const { tenant } = request;
  const common = pageCommon(request);
  const { app, permissions } = await browser.apps.asked(tenant, row);
  return renderPage(reply, deviceConfirmPage, {
    ...common,
    appName: app.name,
    appLogo: app.logo,
    action: href(request, CONFIRM),
    csrf: csrfToken(visitor.session),
    device: handleOf(tenant, row, visitor),
    code: readUserCode(codeIn(request)) ?? '',
    deviceName: row.device_name,
    address: row.ip ?? '',
    sameNetwork: row.ip === request.ip,
    user: await pageUser(request, visitor.user),
    // Where the user has to be asked this page is the consent page.
    permissions: permissions ? sentences(permissions, common.locale) : [],
    notice: permissions ? noticeOf(tenant, app) : undefined,
    appsAddress: permissions ? appsAddress(tenant) : undefined,
    switchAccountHref: browser.loginHref(tenant, request.url, { prompt: 'login' }),
  });
}

/** A refusal that belongs beside the code; everything else is a page of its own. */
function errorOf(error: unknown): { error: 'unknown' | 'too_many'; status: number; wait?: number } {
  if (error instanceof Fault && error.code === 'unknown_device_code') return { error: 'unknown', status: 400 };
  if (error instanceof Fault && error.code === 'too_many_requests')
    return { error: 'too_many', status: 429, wait: error.retryAfterSeconds };
  throw error;
}

const doneHref = (request: FastifyRequest, decision: Decision): string =>
  href(request, DONE, { status: decision === 'approved' ? 'allowed' : 'denied' });

function mount(app: FastifyInstance, { browser, policy }: FlowDeps): void {
  const page = { config: { access: 'session' as const }, schema: { hide: true } };

  app.get(ACTIVATE, page, async (request, reply) =>
    showActivate(request, reply, { code: codeIn(request) || undefined }),
  );

  app.get(CONFIRM, page, async (request, reply) => {
    const code = codeIn(request);
    if (!code) return showActivate(request, reply, { error: 'missing', status: 400 });
    const visitor = await browser.visitor(request);
    if (!visitor) return reply.redirect(browser.loginHref(request.tenant, request.url), 303);
    try {
      return await showConfirm(request, reply, browser, visitor, await lookUpDevice(request.tenant, visitor, code));
    } catch (error) {
      const refused = errorOf(error);
      const before = refused.error === 'unknown' && (await decisionOn(request.tenant, visitor, code));
      if (before) return reply.redirect(doneHref(request, before), 303);
      return showActivate(request, reply, { code, ...refused });
    }
  });

  app.post(CONFIRM, page, async (request, reply) => {
    const visitor = await browser.visitor(request);
    // Logged out meanwhile: the device still shows its code.
    if (!visitor) return reply.redirect(ACTIVATE, 303);
    const { device_code: handle = '', decision } = checkForm(request, visitor.session);
    const allowed = decision === 'allow';
    const remember = (row: DeviceCode) => browser.apps.remember(request.tenant, visitor.user, row);
    try {
      const due = await decide(request.tenant, visitor, handle, allowed ? 'approved' : 'denied', remember, policy);
      // What is due is asked for by a login, and the device still shows its code.
      if (due) return reply.redirect(browser.loginHref(request.tenant, ACTIVATE, { prompt: 'login' }), 303);
    } catch (error) {
      const refused = errorOf(error);
      const before = refused.error === 'unknown' && (await decidedBefore(request.tenant, visitor, handle));
      if (!before) return showActivate(request, reply, refused);
      return reply.redirect(doneHref(request, before), 303);
    }
    return reply.redirect(doneHref(request, allowed ? 'approved' : 'denied'), 303);
  });

  app.get(DONE, page, async (request, reply) =>
    renderPage(reply, deviceDonePage, {
      ...pageCommon(request),
      allowed: queryOf(request).status === 'allowed',
    }),
  );
}

export const device: Journey = { pages: [deviceActivatePage, deviceConfirmPage, deviceDonePage], mount };
