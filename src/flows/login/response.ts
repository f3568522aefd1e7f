/** Authorization responses as pages: a form that goes to the app by itself, a message to the window that asked. */
import type { FastifyRequest } from 'fastify';
import { hostOf, noticeOf } from '../consent/app-words.ts';
import { pageCommon } from '../shell/context.ts';
import { type RenderedPage, render } from '../shell/render.ts';
import { formPostPage } from './form-post-page.ts';
import { leaveFor } from './leave.ts';
import { leavePage } from './leave-page.ts';
import { webMessagePage } from './web-message-page.ts';

export type Response = {
  mode: 'form_post' | 'web_message' | 'ask' | 'ask_form';
  appName?: string;
  /** What the app asked for (`ui_locales`). */
  languages?: unknown;
  redirectUri: string;
  /** Of a page that asks: where it leads, as people are told of it. */
  destination?: string;
  values: Record<string, string>;
  /** Origins that may have the page in a frame. */
  ancestors: readonly string[];
};

/** JSON that survives any charset and any cleaning of text. */
const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

export function responsePage(request: FastifyRequest, response: Response): RenderedPage {
  // No language menu: the answer is given once.
  const common = { ...pageCommon(request, response.languages), locales: [] };
  const { mode, redirectUri, destination, values, ancestors, appName = common.tenant.name } = response;
  if (mode === 'web_message')
    return render(
      webMessagePage,
      {
        ...common,
        appName,
        target: new URL(redirectUri).origin,
        message: asciiJson({ type: 'authorization_response', response: values }),
      },
      { frameAncestors: ancestors },
    );
  if (mode === 'ask' || mode === 'ask_form') {
    const leave =
      mode === 'ask'
        ? leaveFor(request, redirectUri, destination)
        : { action: redirectUri, host: hostOf(destination), fields: values };
    const notice = noticeOf(request.tenant, { name: appName, firstParty: false, unverified: true });
    return render(leavePage, { ...common, appName, notice, leave });
  }
  return render(formPostPage, { ...common, appName, action: redirectUri, fields: values });
}
