/**
 * Signing up in a login that an app waits for: whoever does is logged in and goes on there. Somebody whose address has an
 * account already goes on too where the password is that account's, and is written to where it is not.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { authenticate } from '../../auth/authenticate.ts';
import { challengeFor } from '../../auth/challenge.ts';
import { concludeLogin, type Outcome } from '../../auth/conclude-login.ts';
import { type SignUp, signUp, tellOwner } from '../../auth/sign-up.ts';
import type { Connection } from '../../domain/connection/connection.ts';
import { markBrowser, mintBrowserProof } from '../../domain/link/asking-browser.ts';
import { VERIFY_SECONDS } from '../../domain/link/email-verification.ts';
import { brokenRules, passwordRules } from '../../domain/user/password-policy.ts';
import { Fault } from '../../kernel/fault.ts';
import { duration } from '../../look/words.ts';
import type { Flow } from '../../oidc/browser/interactions.ts';
import { guestOf } from '../consent/app-words.ts';
import { backOf } from '../login/back.ts';
import { showLogin } from '../login/login.ts';
import { signUpConnection } from '../login/ways.ts';
import { carriedEmail, resetHref } from '../reset/way.ts';
import { href, text } from '../shell/address.ts';
import { challengeError, challengePolicy, challengeResponse } from '../shell/challenge.ts';
import { checkForm, csrfToken, pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { FIELDS, type SignUpErrors, signUpPage } from './sign-up-page.ts';
import { signUpSentPage } from './sign-up-sent-page.ts';

type Typed = { email?: string; username?: string; password?: string };
type Refused = { errors: SignUpErrors; status: number };

/** The page, or the login page where nobody may sign up. */
export async function showSignUp(
  request: FastifyRequest,
  reply: FastifyReply,
  flow: Flow,
  typed: Typed = {},
  { errors, status }: Refused = { errors: {}, status: 200 },
) {
  const connection = await signUpConnection(request, flow);
  if (!connection) return refuseAll(request, reply, flow);
  const hint = carriedEmail(request) ?? text(flow.params.login_hint);
  const policy = connection.password_policy;
  const broken = new Set(
    errors.password && typed.password ? brokenRules(policy, typed.password).map(({ name }) => name) : [],
  );
  const challenge = challengeFor(request.tenant, 'sign_up');
  return renderPage(
    reply,
    signUpPage,
    {
      ...pageCommon(request, flow.params.ui_locales),
      appName: flow.client.name,
      action: href(request, `/flow/${flow.uid}/signup`),
      csrf: csrfToken(flow.uid),
      email: typed.email ?? (hint?.includes('@') ? hint : undefined),
      username: typed.username ?? (hint?.includes('@') ? undefined : hint),
      asksUsername: connection.requires_username,
      rules: passwordRules(policy).map((rule) => ({ ...rule, broken: broken.has(rule.name) })),
      errors,
      challenge,
      loginHref: href(request, `/flow/${flow.uid}/login`),
      back: backOf(request, flow),
      guest: guestOf(request.tenant, flow.client),
    },
    { ...challengePolicy({ challenge }), status },
  );
}

const refuseAll = (request: FastifyRequest, reply: FastifyReply, flow: Flow) =>
  showLogin(request, reply, flow, { status: 403, error: { key: 'login.error.signup_disabled' } });

/* ——— what was typed ——— */

const trimmed = (value: string | undefined, length: number) => value?.trim().slice(0, length) || undefined;

/** What is missing; all of it at once. */
function missing({ email, username, password }: Typed, { requires_username }: Connection): Refused | undefined {
  const errors: SignUpErrors = {
    ...(!email && { email: { key: 'signup.error.email_missing' } }),
    ...(requires_username && !username && { username: { key: 'signup.error.username_missing' } }),
    ...(!password && { password: { key: 'password.error.missing' } }),
  };
  return Object.keys(errors).length ? { errors, status: 400 } : undefined;
}

/** What a refused form says, at which field. @throws what no field and no message is for. */
function refusalOf(fault: Fault, request: FastifyRequest, flow: Flow): Refused {
  const { locale, tenant } = pageCommon(request, flow.params.ui_locales);
  const { status } = fault.row;
  const form = (key: NonNullable<SignUpErrors['form']>['key'], values = {}): Refused => ({
    status,
    errors: { form: { key, values } },
  });
  const unsolved = challengeError(fault);
  if (unsolved) return form(unsolved);
  switch (fault.code) {
    case 'validation': {
      const [detail] = fault.details as { path: string }[];
      const field = FIELDS.find((one) => detail?.path === `/${one}`);
      if (field === undefined || field === 'password') throw fault;
      return { status, errors: { [field]: { key: `signup.error.${field}_invalid` } } };
    }
    case 'password_policy':
      return { status, errors: { password: { key: 'password.error.rules' } } };
    case 'password_breached':
      return { status, errors: { password: { key: 'password.error.breached' } } };
    case 'username_taken':
      return { status, errors: { username: { key: 'signup.error.username_taken' } } };
    case 'too_many_requests':
      return form('signup.error.too_many', { time: duration(locale, fault.retryAfterSeconds ?? 60) });
    case 'no_transport':
      return form('signup.error.no_transport', { tenant: tenant.name });
    case 'unavailable':
      return form('password.error.unavailable');
    case 'csrf':
      return form('signup.error.csrf');
    default:
      throw fault;
  }
}

/** By somebody, who may be the one that is here. */
const TAKEN: ReadonlySet<string> = new Set(['email_taken', 'username_taken']);

function mount(app: FastifyInstance, { interactions, policy }: FlowDeps): void {
  const page = { config: { access: 'session' as const }, schema: { hide: true } };

  /** Whose address it is goes on: the second press of a button, another tab, somebody who forgot that they had signed up. */
  async function enter(request: FastifyRequest, asked: SignUp): Promise<Outcome | undefined> {
    const { connection, email: identifier, password, client, from } = asked;
    try {
      return await authenticate(request.tenant, { connection, identifier, password, client: client.id, from }, policy);
    } catch (error) {
      if (error instanceof Fault && ['wrong_credentials', 'unknown_user', 'locked_out'].includes(error.code))
        return undefined;
      throw error;
    }
  }

  /** Makes the account. @returns nothing where the address has one that was not logged in to. */
  async function begin(request: FastifyRequest, asked: SignUp): Promise<Outcome | undefined> {
    const { connection, client, from } = asked;
    try {
      const user = await signUp(request.tenant, asked);
      const proven = { identity: { user, signup: true }, method: 'password', amr: ['pwd'] };
      return await concludeLogin(request.tenant, { ...proven, connection, client: client.id, from }, policy);
    } catch (error) {
      if (!(error instanceof Fault) || !TAKEN.has(error.code)) throw error;
      const entered = await enter(request, asked);
      // With a username of somebody else it is the same answer and work for any address.
      if (!entered && error.code === 'username_taken') throw error;
      return entered;
    }
  }

  app.get('/flow/:uid/signup/sent', page, async (request, reply) => {
    const flow = await interactions.open(request, reply);
    const email = carriedEmail(request);
    const againHref = href(request, `/flow/${flow.uid}/signup`);
    if (!email) return reply.redirect(againHref, 303);
    return renderPage(reply, signUpSentPage, {
      ...pageCommon(request, flow.params.ui_locales),
      appName: flow.client.name,
      email,
      againHref,
      loginHref: href(request, `/flow/${flow.uid}/login`),
    });
  });

  app.post('/flow/:uid/signup', page, async (request, reply) => {
    const { tenant, from } = request;
    const flow = await interactions.open(request, reply);
    let typed: Typed = {};
    try {
      const { password, ...form } = checkForm(request, flow.uid);
      typed = { email: trimmed(form.email, 254), username: trimmed(form.username, 150), password };
      const connection = await signUpConnection(request, flow);
      if (!connection) return refuseAll(request, reply, flow);
      const lacking = missing(typed, connection);
      if (lacking) return showSignUp(request, reply, flow, typed, lacking);
      const asking = mintBrowserProof();
      // What nobody vouches for is not named in a mail of ours.
      const { id, name, uri: home, unverified } = flow.client;
      const named = flow.client.ours || unverified ? {} : { name, home };
      const asked: SignUp = {
        connection,
        client: { id, ...named },
        email: typed.email!,
        username: connection.requires_username ? typed.username : undefined,
        password: password!,
        browser: asking.browser,
        challenge: challengeResponse(form),
        locale: pageCommon(request, flow.params.ui_locales).locale,
        from,
      };
      const outcome = await begin(request, asked);
      if (!outcome) {
        const way = unverified ? {} : { client: id };
        await tellOwner(tenant, asked, {
          link: named.home ?? `${tenant.origin}/`,
          reset_link: `${tenant.origin}${resetHref(request, way)}`,
        });
        const sent = resetHref(request, {}, { path: `/flow/${flow.uid}/signup/sent`, email: typed.email });
        return reply.redirect(sent, 303);
      }
      if (tenant.account.notifications.verify_email_auto_send)
        markBrowser(request, reply, asking.proof, VERIFY_SECONDS);
      return reply.redirect(await interactions.conclude(flow, request, outcome), 303);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === 'signup_disabled') return refuseAll(request, reply, flow);
      if (error.code === 'user_suspended')
        return showLogin(request, reply, flow, {
          email: typed.email,
          status: 403,
          error: { key: 'login.error.user_suspended', values: { tenant: tenant.account.name } },
        });
      if (error.retryAfterSeconds) reply.header('retry-after', String(error.retryAfterSeconds));
      return showSignUp(request, reply, flow, typed, refusalOf(error, request, flow));
    }
  });
}

export const signingUp: Journey = { pages: [signUpPage, signUpSentPage], mount };
