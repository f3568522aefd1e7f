/**
 * The account pages' own way in: somebody who is logged in in this browser, lately where it matters. Whoever is not goes
 * through a login, and comes back to the page that they wanted.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Visitor } from '../../auth/device.ts';
import { countChange } from '../../auth/own-account.ts';
import { isRecent, RECENT_SECONDS } from '../../domain/user/recent-login.ts';
import { type User, users } from '../../domain/user/user.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import { href, queryOf, text } from '../shell/address.ts';
import { checkForm, csrfToken } from '../shell/context.ts';

export const ACCOUNT = '/account';
export const PROFILE = `${ACCOUNT}/profile`;
export const EMAIL = `${ACCOUNT}/email`;
export const PASSWORD = `${ACCOUNT}/password`;
export const DATA = `${ACCOUNT}/data`;
export const DELETE = `${ACCOUNT}/delete`;
export const SESSIONS = `${ACCOUNT}/sessions`;

export type Visit = { visitor: Visitor; user: User; csrf: string };
type Show = (request: FastifyRequest, reply: FastifyReply, visit: Visit) => Promise<unknown>;
type Form = Record<string, string>;
type Act = (request: FastifyRequest, reply: FastifyReply, visit: Visit & { form: Form }) => Promise<unknown>;

type Options = {
  /** The login may not be old. */
  recent?: boolean;
};

export function accountPages(app: FastifyInstance, browser: Browser) {
  const page = { config: { access: 'session' as const }, schema: { hide: true } };

  async function visitOf(request: FastifyRequest): Promise<Visit | undefined> {
    const visitor = await browser.visitor(request);
    const user = visitor && (await users.find(request.tenant, visitor.user));
    return user && { visitor, user, csrf: csrfToken(visitor.session) };
  }

  /** @param of whose login is too old; nobody's where nobody is logged in. */
  function askLogin({ tenant }: FastifyRequest, reply: FastifyReply, back: string, of?: User) {
    const who = of?.email ?? of?.username;
    const again = of && { max_age: String(RECENT_SECONDS), ...(who && { login_hint: who }) };
    return reply.header('cache-control', 'no-store').redirect(browser.loginHref(tenant, back, again), 303);
  }

  const isStale = ({ visitor }: Visit, { recent }: Options) => recent && !isRecent(visitor.authTime);

  return {
    /** A page to look at. @param more what else its route says. */
    get(path: string, show: Show, options: Options = {}, more: object = {}) {
      app.get(path, { ...page, ...more }, async (request, reply) => {
        const visit = await visitOf(request);
        if (!visit || isStale(visit, options)) return askLogin(request, reply, request.url, visit?.user);
        return show(request, reply, visit);
      });
    },

    /**
     * A form of such a page. What it does not know is refused, and who has to log in first comes back to the page.
     * @param fields names of what it takes.
     */
    post(path: string, fields: readonly string[], act: Act, options: Options = {}) {
      app.post(path, page, async (request, reply) => {
        const back = href(request, new URL(request.url, request.tenant.origin).pathname);
        const visit = await visitOf(request);
        if (!visit) return askLogin(request, reply, back);
        const { csrf: _, ...form } = checkForm(request, visit.visitor.session);
        if (Object.keys(form).some((name) => !fields.includes(name))) throw new Fault('invalid_request');
        if (isStale(visit, options)) return askLogin(request, reply, back, visit.user);
        await countChange(request.tenant, visit.visitor);
        return act(request, reply, { ...visit, form });
      });
    },
  };
}

/** On to a page that says what was done. */
export const done = (request: FastifyRequest, reply: FastifyReply, path: string, what: string) =>
  reply.header('cache-control', 'no-store').redirect(href(request, path, { done: what }), 303);

/** What was done a moment ago, if it is one of those that the page tells of. */
export function doneOf<const T extends string>(request: FastifyRequest, known: readonly T[]): T | undefined {
  const told = text(queryOf(request).done);
  return known.find((one) => one === told);
}
