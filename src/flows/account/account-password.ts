/** The page where a user chooses another password, or their first. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { loginOf, type OwnPassword, ownPasswords, setOwnPassword } from '../../auth/own-password.ts';
import { brokenRules, passwordRules } from '../../domain/user/password-policy.ts';
import { Fault } from '../../kernel/fault.ts';
import { href, queryOf } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { accountPasswordPage, type PasswordError } from './account-password-page.ts';
import { ACCOUNT, accountPages, done, doneOf, PASSWORD, type Visit } from './visit.ts';

const keyOf = ({ connection, credential }: OwnPassword): string => credential?.id ?? connection.id;

/** @param refused the password that was not taken, or why one was not that keeps the rules. */
async function show(
  request: FastifyRequest,
  reply: FastifyReply,
  { user, csrf }: Visit,
  { which, refused }: { which: unknown; refused?: string | Fault },
) {
  const all = await ownPasswords(request.tenant, user);
  const one = all.find((each) => keyOf(each) === which) ?? all[0];
  const policy = one?.connection.password_policy;
  const broken = new Set(typeof refused === 'string' ? brokenRules(policy, refused).map(({ name }) => name) : []);
  return renderPage(
    reply,
    accountPasswordPage,
    {
      ...pageCommon(request),
      action: href(request, PASSWORD),
      csrf,
      chosen: one && {
        which: keyOf(one),
        login: loginOf(one, user),
        there: Boolean(one.credential?.password_hash),
        rules: passwordRules(policy).map((rule) => ({ ...rule, broken: broken.has(rule.name) })),
      },
      others: all
        .filter((each) => each !== one)
        .map((each) => ({
          name: `${each.connection.connection_name}: ${loginOf(each, user)}`,
          href: href(request, PASSWORD, { which: keyOf(each) }),
        })),
      changed: doneOf(request, ['changed']) !== undefined,
      error: refused === undefined ? undefined : errorOf(refused),
      backHref: href(request, ACCOUNT),
    },
    { status: refused instanceof Fault ? refused.row.status : refused === undefined ? 200 : 400 },
  );
}

function errorOf(refused: string | Fault): PasswordError {
  if (refused === '') return { field: 'password', key: 'password.error.missing' };
  if (typeof refused === 'string') return { field: 'password', key: 'password.error.rules' };
  switch (refused.code) {
    case 'password_breached':
      return { field: 'password', key: 'password.error.breached' };
    case 'conflict':
      return { key: 'account_password.error.taken' };
    case 'changed_meanwhile':
      return { key: 'account_password.error.meanwhile' };
    case 'unavailable':
      return { key: 'password.error.unavailable' };
    default:
      throw refused;
  }
}

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const pages = accountPages(app, browser);
  const recent = { recent: true };
  pages.get(
    PASSWORD,
    (request, reply, visit) => show(request, reply, visit, { which: queryOf(request).which }),
    recent,
  );
  pages.post(
    PASSWORD,
    ['new_password', 'which', 'username'],
    async (request, reply, visit) => {
      const { tenant } = request;
      const { visitor, user, form } = visit;
      const { which, new_password: password = '' } = form;
      const own = (await ownPasswords(tenant, user)).find((each) => keyOf(each) === which);
      if (!own || !password)
        return show(request, reply, visit, { which, refused: password && new Fault('changed_meanwhile') });
      try {
        await setOwnPassword(tenant, visitor, user, own, password);
        return done(request, reply, PASSWORD, 'changed');
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (error.retryAfterSeconds) reply.header('retry-after', String(error.retryAfterSeconds));
        return show(request, reply, visit, { which, refused: error.code === 'password_policy' ? password : error });
      }
    },
    recent,
  );
}

export const accountPassword: Journey = { pages: [accountPasswordPage], mount };
