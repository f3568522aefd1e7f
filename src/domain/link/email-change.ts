/**
 * Changing a user's address: a link to the new one, and where the policy says so another to the old one, before anything
 * changes. What the user logs in with follows.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { add } from '../../outbox/outbox.ts';
import { OneOf } from '../../resource/define.ts';
import { byUser } from '../access/ceiling.ts';
import { accountOf } from '../account/account.ts';
import { Email } from '../fields.ts';
import { changeEmail } from '../message/change-email.ts';
import { emailChanged } from '../message/email-changed.ts';
import { append } from '../trail/log.ts';
import { credentials } from '../user/credential.ts';
import { type User, users } from '../user/user.ts';
import { checkTarget, landingOf, RedirectUri } from './link-target.ts';
import { issueTicket, redeemTicket, type Ticket } from './ticket.ts';

const TTL_SECONDS = DAY;
const FALLBACK = '/flow/email-change-done';
const MODES = ['new_only', 'old_and_new'] as const;
type Mode = (typeof MODES)[number];

/** `from` is the address at the start; `step` whose link this is. */
type Details = { from: string | null; mode: Mode; step: 'new' | 'old' };
type Change = { new_email: string; verification_mode?: Mode; redirect_uri?: string };

/** @throws Fault `same_as_current_email`, or `email_already_exists` when it is another user's. */
async function startEmailChange(tenant: Tenant, user: User, change: Change): Promise<{ ticket: Ticket; mode: Mode }> {
  const email = demand(emailAddress, change.new_email, '/new_email');
  const from = user.email ?? null;
  if (email === from) throw new Fault('same_as_current_email');
  await checkFree(tenant, user.id, email);
  const policy = (await accountOf(tenant)).email_change_verification_mode;
  const mode: Mode =
    policy === 'old_and_new' || change.verification_mode === 'old_and_new' ? 'old_and_new' : 'new_only';
  const details: Details = { from, mode, step: 'new' };
  const ticket = await issue(tenant, { user: user.id, email, redirect_uri: change.redirect_uri, details }, email);
  return { ticket, mode };
}

type Pending = { user: string; email: string; redirect_uri?: string; details: Details };

/** One change of a user is pending at a time: a later one voids it. */
const issue = (tenant: Tenant, pending: Pending, to: string): Promise<Ticket> =>
  issueTicket(tenant, {
    ...pending,
    type: 'change_email',
    ttlSeconds: TTL_SECONDS,
    slot: `change_email:${pending.user}`,
    mail: (link, ref) =>
      add(tenant, changeEmail, { to, ref, data: { link, new_email: pending.email, step: pending.details.step } }),
  });

async function checkFree(tenant: Tenant, user: string, email: string): Promise<void> {
  const [owned, loggedInWith] = await Promise.all([
    users.exists(tenant, { email: { $eq: email }, _id: { $ne: user } }),
    credentials.exists(tenant, { email: { $eq: email }, user: { $ne: user } }),
  ]);
  if (owned || loggedInWith) throw new Fault('email_already_exists');
}

async function follow(tenant: Tenant, ticket: Ticket, ip: string | null): Promise<'applied' | 'pending_old'> {
  const details = ticket.details as Details;
  const { redirect_uri, email } = ticket;
  const user = ticket.user!;
  if (asksOldAddress(details)) {
    await checkFree(tenant, user, email);
    await issue(tenant, { user, email, redirect_uri, details: { ...details, step: 'old' } }, details.from!);
    return 'pending_old';
  }
  await apply(tenant, ticket, details.from);
  await append(tenant, { type: 'user.email_changed', status: 'success', user, ticket: ticket.id, data: { ip } });
  return 'applied';
}

const asksOldAddress = ({ mode, step, from }: Details): boolean =>
  mode === 'old_and_new' && step === 'new' && from !== null;

/** @throws Fault `email_already_exists` when it was taken meanwhile, `not_found` when the user has moved on. */
async function apply(tenant: Tenant, ticket: Ticket, from: string | null): Promise<void> {
  const { email } = ticket;
  const user = await users.get(tenant, ticket.user!);
  if ((user.email ?? null) !== from) throw new Fault('not_found');
  await checkFree(tenant, user.id, email);
  if (from !== null) await add(tenant, emailChanged, { to: from, ref: ticket.id, data: { new_email: email } });
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
  if (await users.updateWhere(tenant, user.id, patch, { email: { $eq: from } })) return;
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

/** What the link of a ticket says, told as a status: every outcome is a redirect, since people follow it. */
async function outcome(tenant: Tenant, token: string, ip: string | null): Promise<{ status: string; ticket?: Ticket }> {
  let refused: Ticket | undefined;
  try {
    const redeemed = await redeemTicket(tenant, 'change_email', token, (ticket) => {
      refused = ticket;
      return follow(tenant, ticket, ip);
    });
    const { ticket } = redeemed;
    if (redeemed.status === 'done') return { ticket, status: redeemed.result };
    if (redeemed.status === 'used')
      return { ticket, status: asksOldAddress(redeemed.ticket.details as Details) ? 'pending_old' : 'applied' };
    return { ticket, status: redeemed.status === 'expired' ? 'expired' : 'invalid_link' };
  } catch (error) {
    if (error instanceof Fault && error.code === 'email_already_exists') return { status: error.code, ticket: refused };
    throw error;
  }
}

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
          'Mails a link to the new address that is good for 24 hours and voids a pending change. Nothing changes until it is followed.',
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
    async (request) => {
      const { tenant, actor } = request;
      const { user_id } = request.params as { user_id: string };
      const change = request.body as Change;
      const user = await users.get(tenant, user_id);
      await checkTarget(tenant, actor, 'update:users', change.redirect_uri);
      const { ticket, mode } = await startEmailChange(tenant, user, change);
      await request.audit({
        type: 'user.email_change_started',
        subject: user_id,
        fields: Object.keys(change),
        refs: { user: user_id },
      });
      return { status: 'verification_sent', ticket_id: ticket.id, verification_mode: mode };
    },
  );

  app.get(
    '/change-email-verify',
    {
      // HEAD is what link checkers send, and it must not change anything.
      exposeHeadRoute: false,
      config: { access: 'public' },
      schema: {
        operationId: 'user_change_email_verify',
        tags: ['user'],
        summary: 'Verify a change-email ticket and apply the change',
        description:
          'Where the mailed link leads. Redirects to the `redirect_uri` of the start, else to a page of ours, with `?status=applied|pending_old|invalid_link|expired|email_already_exists`.',
        querystring: Type.Object({ ticket: Type.String({ maxLength: 200 }) }),
      },
    },
    async (request, reply) => {
      const { tenant } = request;
      const { ticket: token } = request.query as { ticket: string };
      const { status, ticket } = await outcome(tenant, token, request.from.ip);
      const target = landingOf(tenant, ticket?.redirect_uri, FALLBACK, status);
      return reply.header('cache-control', 'no-store').redirect(target);
    },
  );
}
