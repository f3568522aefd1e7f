/**
 * Changing a user's address: a link to the new one, and where the policy says so another to the old one, before anything
 * changes. What the user logs in with follows.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, HOUR, now } from '../../kernel/clock.ts';
import { can, isOwn, type Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { add, addDecoy } from '../../outbox/outbox.ts';
import { OneOf } from '../../resource/define.ts';
import { limiter } from '../../store/limiter.ts';
import { byUser } from '../access/ceiling.ts';
import { accountOf } from '../account/account.ts';
import { Email } from '../fields.ts';
import { changeEmail } from '../message/change-email.ts';
import { emailChanged } from '../message/email-changed.ts';
import { revokeUser, type Spared } from '../protocol/session-end.ts';
import { append } from '../trail/log.ts';
import { credentials } from '../user/credential.ts';
import { type Asker, askerOf, endOthers } from '../user/first-proof.ts';
import { requireRecentLogin } from '../user/recent-login.ts';
import { type User, users } from '../user/user.ts';
import { markBrowser, mintBrowserProof } from './asking-browser.ts';
import { checkTarget, RedirectUri } from './link-target.ts';
import type { MailedLink } from './mailed-link.ts';
import { issueTicket, type Over, redeemTicket, type Ticket } from './ticket.ts';

export const CHANGE_SECONDS = DAY;
/** Each has a mail sent to an address that somebody else may have. */
const mailsOf = limiter('email-change', 5, HOUR);
const MODES = ['new_only', 'old_and_new'] as const;
type Mode = (typeof MODES)[number];

/** `from` is the address at the start; `step` whose link this is. */
type Details = {
  from: string | null;
  mode: Mode;
  step: 'new' | 'old';
  asker?: Asker;
  /** Where an administrator asked for it, who is in by nothing of the user's. */
  vouched?: true;
};
type Change = { new_email: string; verification_mode?: Mode; redirect_uri?: string; browser?: string } & Spared;

/**
 * Whether an address has an account is for administrators alone: to everybody else a change to a taken one looks like any
 * other, and no link of it is ever sent.
 * @throws Fault `same_as_current_email`; `too_many_requests`, to whoever is no administrator; to those `email_already_exists` when it is another user's.
 */
export async function startEmailChange(
  tenant: Tenant,
  user: User,
  change: Change,
  mayKnow: boolean,
): Promise<{ ticket: Ticket; mode: Mode }> {
  const { redirect_uri, browser } = change;
  if (!mayKnow) await mailsOf.spend(`${tenant.id} ${user.id}`);
  const email = demand(emailAddress, change.new_email, '/new_email');
  const from = user.email ?? null;
  if (email === from) throw new Fault('same_as_current_email');
  const free = await isFree(tenant, user.id, email);
  if (!free && mayKnow) throw new Fault('email_already_exists');
  const policy = (await accountOf(tenant)).email_change_verification_mode;
  const mode: Mode =
    policy === 'old_and_new' || change.verification_mode === 'old_and_new' ? 'old_and_new' : 'new_only';
  const asker = await askerOf(tenant, user.id, { session: change.session, grant: change.grant });
  const isOwnChange = change.session !== undefined || change.grant !== undefined;
  const details: Details = { from, mode, step: 'new', asker, ...(mayKnow && !isOwnChange && { vouched: true }) };
  const ticket = await issue(tenant, { user: user.id, email, redirect_uri, browser, details }, free ? email : null);
  return { ticket, mode };
}

type Pending = { user: string; email: string; redirect_uri?: string; browser?: string; details: Details };

/**
 * One change of a user is pending at a time: a later one voids it.
 * @param to null: nobody, though all else is done.
 */
const about = ({ email, user, details }: Pending) => ({ new_email: email, step: details.step, user });

const issue = (tenant: Tenant, pending: Pending, to: string | null): Promise<Ticket> =>
  issueTicket(tenant, {
    ...pending,
    type: 'change_email',
    ttlSeconds: CHANGE_SECONDS,
    slot: `change_email:${pending.user}`,
    mail: (link, ref) =>
      to === null
        ? addDecoy(tenant, changeEmail, pending.email)
        : add(tenant, changeEmail, { to, ref, data: { ...about(pending), link, expires_in: CHANGE_SECONDS } }),
  });

async function isFree(tenant: Tenant, user: string, email: string): Promise<boolean> {
  const [owned, loggedInWith] = await Promise.all([
    users.exists(tenant, { email: { $eq: email }, _id: { $ne: user } }),
    credentials.exists(tenant, { email: { $eq: email }, user: { $ne: user } }),
  ]);
  return !(owned || loggedInWith);
}

/** @throws Fault `email_already_exists`, to whoever reads the mail of that address. */
async function checkFree(tenant: Tenant, user: string, email: string): Promise<void> {
  if (!(await isFree(tenant, user, email))) throw new Fault('email_already_exists');
}

async function follow(tenant: Tenant, ticket: Ticket, ip: string | null): Promise<'applied' | 'pending_old'> {
  const details = ticket.details as Details;
  const { redirect_uri, browser, email } = ticket;
  const user = ticket.user!;
  if (asksOldAddress(details)) {
    await checkFree(tenant, user, email);
    await issue(tenant, { user, email, redirect_uri, browser, details: { ...details, step: 'old' } }, details.from!);
    return 'pending_old';
  }
  await apply(tenant, ticket, details);
  await append(tenant, { type: 'user.email_changed', status: 'success', user, ticket: ticket.id, data: { ip } });
  return 'applied';
}

const asksOldAddress = ({ mode, step, from }: Details): boolean =>
  mode === 'old_and_new' && step === 'new' && from !== null;

/** @throws Fault `email_already_exists` when it was taken meanwhile, `not_found` when the user has moved on. */
async function apply(tenant: Tenant, ticket: Ticket, { from, asker }: Details): Promise<void> {
  const { email } = ticket;
  const user = await users.get(tenant, ticket.user!);
  if ((user.email ?? null) !== from) throw new Fault('not_found');
  await checkFree(tenant, user.id, email);
  // Of an account that nobody has proved before, this is the first proof.
  const isFirst = !user.email_verified;
  if (isFirst) await endOthers(tenant, user.id, email, asker);
  if (from !== null)
    await add(tenant, emailChanged, { to: from, ref: ticket.id, data: { new_email: email, user: user.id } });
  await moveLogins(tenant, user.id, from, email);
  const time = now().toISOString();
  const patch = {
    email,
    email_verified: true,
    email_verified_method: 'email_change' as const,
    email_verified_at: time,
    email_change_locked_at: time,
    email_bounced_at: null,
  };
  if (await users.updateWhere(tenant, user.id, patch, { email: { $eq: from } })) {
    if (isFirst) await revokeUser(tenant, user.id, asker);
    return;
  }
  await moveLogins(tenant, user.id, email, from ?? email);
  throw new Fault('not_found');
}

/** The credentials that carry the old address carry the new one: all of them or none. */
async function moveLogins(tenant: Tenant, user: string, from: string | null, to: string): Promise<void> {
  if (from === null || from === to) return;
  const own = await credentials.all(tenant, { user: { $eq: user }, email: { $eq: from } });
  const moved: string[] = [];
  try {
    for (const { id } of own) {
      await credentials.updateWhere(tenant, id, { email: to }, { email: { $eq: from } });
      moved.push(id);
    }
  } catch (error) {
    for (const id of moved) await credentials.updateWhere(tenant, id, { email: from }, { email: { $eq: to } });
    if (error instanceof Fault && error.code === 'conflict') throw new Fault('email_already_exists');
    throw error;
  }
}

async function over(_tenant: Tenant, { status, ticket }: Over): Promise<string> {
  if (status === 'expired') return 'expired';
  if (status === 'invalid') return 'invalid_link';
  return asksOldAddress(ticket.details as Details) ? 'pending_old' : 'applied';
}

export const emailChangeLink: MailedLink = {
  type: 'change_email',
  fallback: '/flow/email-change-done',
  over,
  question: async (_tenant, { email, details }) => ({
    asks: (details as Details).step === 'old' ? 'leave' : 'change',
    email,
  }),
  async follow(tenant, token, { ip }) {
    let refused: Ticket | undefined;
    try {
      const redeemed = await redeemTicket(tenant, 'change_email', token, (ticket) => {
        refused = ticket;
        return follow(tenant, ticket, ip);
      });
      const { ticket } = redeemed;
      return { ticket, status: redeemed.status === 'done' ? redeemed.result : await over(tenant, redeemed) };
    } catch (error) {
      if (error instanceof Fault && error.code === 'email_already_exists')
        return { status: error.code, ticket: refused };
      throw error;
    }
  },
};

export function mount(app: FastifyInstance): void {
  app.post(
    '/user/:user_id/change-email',
    {
      config: {
        access: {
          permission: 'update:users',
          self: 'user_id',
          gives: ({ tenant, params }) => byUser(tenant, (params as { user_id: string }).user_id),
        },
      },
      schema: {
        operationId: 'user/changeEmail',
        tags: ['user'],
        summary: "Start the user's email change flow",
        description:
          'Mails a link to the new address that is good for 24 hours and voids a pending change. Nothing changes until it is followed. The user needs a login of the last ten minutes (else 401 `insufficient_user_authentication`, RFC 9470: log in again with `max_age`), and is not told whether the address has an account.',
        security: [{ bearerAuth: [] }],
        params: Type.Object({ user_id: Type.String({ maxLength: 100 }) }),
        body: Type.Object(
          {
            new_email: Email('The address that the user wants to switch to'),
            verification_mode: Type.Optional(
              OneOf(MODES, "Can only raise the account's policy: `old_and_new` asks the old address too."),
            ),
            redirect_uri: RedirectUri(
              'Where the user is sent after following the link, with `?status=applied|pending_old` appended.',
            ),
          },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Object({
            status: OneOf(['verification_sent']),
            ticket_id: Type.String(),
            verification_mode: OneOf(MODES),
          }),
        },
      },
    },
    async (request, reply) => {
      const { tenant, actor } = request;
      const { user_id } = request.params as { user_id: string };
      const change = request.body as Change;
      const user = await users.get(tenant, user_id);
      const isAdmin = can(actor, 'update:users');
      // An administrator needs none.
      if (!isAdmin) requireRecentLogin(actor);
      await checkTarget(tenant, actor, 'update:users', change.redirect_uri);
      const asking = isOwn(actor, user_id) ? mintBrowserProof() : undefined;
      const { ticket, mode } = await startEmailChange(
        tenant,
        user,
        { ...change, ...(asking && { browser: asking.browser, grant: actor.grant }) },
        isAdmin,
      );
      if (asking) markBrowser(request, reply, asking.proof, CHANGE_SECONDS);
      await request.audit({
        type: 'user.email_change_started',
        subject: user_id,
        fields: Object.keys(change),
        refs: { user: user_id },
      });
      return { status: 'verification_sent', ticket_id: ticket.id, verification_mode: mode };
    },
  );
}
