/** Proving that a user's address is the user's: a link is mailed to it, and following the link verifies it. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, HOUR, now } from '../../kernel/clock.ts';
import { isOwn, type Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { add } from '../../outbox/outbox.ts';
import { Nullable, OneOf } from '../../resource/define.ts';
import { limiter } from '../../store/limiter.ts';
import { verifyEmail } from '../message/verify-email.ts';
import { append } from '../trail/log.ts';
import { type Asker, askerOf, endOthers, proveEmail, waysIn } from '../user/first-proof.ts';
import { users } from '../user/user.ts';
import { markBrowser, mintBrowserProof } from './asking-browser.ts';
import { checkTarget, RedirectUri } from './link-target.ts';
import type { Follower, MailedLink } from './mailed-link.ts';
import { issueTicket, type Over, redeemTicket, type Ticket } from './ticket.ts';

export const VERIFY_SECONDS = DAY;
/** Whoever has an account with somebody else's address has that mailed. */
const mailsOf = limiter('verify-email', 5, HOUR);

/** `vouched` where it went out as an administrator made the user, who goes on to set what the user logs in with. */
type Details = { asker: Asker; vouched?: boolean };

/** @param grant of the session that asks. */
type Asked = { redirect_uri?: string; browser?: string; locale?: string; grant?: string; isOwn?: boolean };

/**
 * Earlier links to the same address stay good: whoever asks twice may follow either.
 * @throws Fault `too_many_requests` for a user who asks too often.
 */
async function startEmailVerification(
  tenant: Tenant,
  userId: string,
  { grant, isOwn, ...asked }: Asked,
): Promise<Ticket | 'already_verified'> {
  const { email, email_verified } = await users.get(tenant, userId);
  if (!email) throw new Fault('invalid_request', 'The user has no email address that could be verified.');
  if (email_verified) return 'already_verified';
  if (isOwn) await mailsOf.spend(`${tenant.id} ${email}`);
  return issueVerification(
    tenant,
    { id: userId, email },
    { ...asked, asker: await askerOf(tenant, userId, { grant }) },
  );
}

const issueVerification = (
  tenant: Tenant,
  { id, email }: { id: string; email: string },
  { locale, asker, vouched, ...asked }: Omit<Asked, 'grant' | 'isOwn'> & Details,
  told?: string[],
): Promise<Ticket> =>
  issueTicket(tenant, {
    type: 'verify_email',
    email,
    user: id,
    ...asked,
    details: { asker, vouched } satisfies Details,
    ttlSeconds: VERIFY_SECONDS,
    mail: (link, ref) =>
      add(tenant, verifyEmail, { to: email, ref, data: { link, user: id, locale, expires_in: VERIFY_SECONDS } }),
    told,
  });

/**
 * The same for a user who is about to be made: the mail leaves once there is one.
 * @returns the id of the message, for `release`.
 */
export async function prepareVerification(
  tenant: Tenant,
  user: { id: string; email: string },
  { asker = { credentials: [], identities: [] }, vouched, ...asked }: Partial<Details> & Omit<Asked, 'grant'>,
): Promise<string[]> {
  const told: string[] = [];
  await issueVerification(tenant, user, { ...asked, asker, vouched }, told);
  return told;
}

/** @throws Fault `not_found` when the user is gone or has another address by now. */
async function verify(
  tenant: Tenant,
  ticket: Ticket,
  { ip, session }: Follower,
): Promise<'verified' | 'already_verified'> {
  const { user: id, email, details } = ticket;
  // Without an asker it was mailed by an earlier release.
  const by = (details as Details | undefined)?.asker;
  // Who signed up is logged in there since.
  const here = session?.user === id && !by?.grant && !by?.session ? session : undefined;
  const asker = by && here ? { ...by, session: here.id } : by;
  const proven = await proveEmail(tenant, id!, { email, method: 'verification_flow', asker });
  if (!proven) throw new Fault('not_found');
  if (!proven.first) return 'already_verified';
  await append(tenant, {
    type: 'user.email_verified',
    status: 'success',
    user: id,
    ticket: ticket.id,
    data: { ip },
  });
  return 'verified';
}

/** A link that was followed before says nothing about an address that is no longer the user's. */
async function over(
  tenant: Tenant,
  { status, ticket }: Over,
): Promise<'already_verified' | 'expired' | 'invalid_link'> {
  if (status === 'expired') return 'expired';
  if (status === 'invalid') return 'invalid_link';
  const user = await users.find(tenant, ticket.user!);
  return user?.email === ticket.email ? 'already_verified' : 'invalid_link';
}

export const verificationLink: MailedLink = {
  type: 'verify_email',
  fallback: '/flow/verify-email-done',
  over,
  async question(tenant, { email, user }) {
    return { asks: 'verify', email, ...(await waysIn(tenant, user!)) };
  },
  // Of somebody else's making: whoever reads the mail shuts them out, and has confirmed nothing.
  async decline(tenant, { email, user: id }) {
    const user = await users.find(tenant, id!);
    if (!user || user.email !== email || user.email_verified) return 'declined';
    await endOthers(tenant, user.id, email);
    await append(tenant, { type: 'user.email_disowned', status: 'success', user: user.id });
    return 'disowned';
  },
  async follow(tenant, token, from) {
    const redeemed = await redeemTicket(tenant, 'verify_email', token, (ticket) => verify(tenant, ticket, from));
    const { ticket, status } = redeemed;
    if (status === 'done') return { ticket, status: redeemed.result };
    const told = await over(tenant, redeemed);
    // What a crash stopped half-way goes on; of those who are here at once one is told that it is new.
    const unsure = status === 'used' && told === 'already_verified' && redeemed.ticket.expires_at > now();
    return { ticket, status: unsure ? await verify(tenant, redeemed.ticket, from) : told };
  },
};

export function mount(app: FastifyInstance): void {
  app.post(
    '/user/:user_id/verify-email/start',
    {
      config: { access: { permission: 'update:users', self: 'user_id' } },
      schema: {
        operationId: 'user/verifyEmailStart',
        tags: ['user'],
        summary: "Start the user's email verification flow",
        description:
          'Mails a link that is good for 24 hours, unless the address is verified already; five in an hour where the user asks.',
        security: [{ bearerAuth: [] }],
        params: Type.Object({ user_id: Type.String({ maxLength: 100 }) }),
        body: Nullable(
          Type.Object(
            {
              redirect_uri: RedirectUri(
                'Where the user is sent after following the link, with `?status=verified|already_verified|invalid_link|expired` appended.',
              ),
            },
            { additionalProperties: false },
          ),
        ),
        response: {
          200: Type.Object({
            status: OneOf(['verification_sent', 'already_verified']),
            ticket_id: Type.Optional(Type.String()),
          }),
        },
      },
    },
    async (request, reply) => {
      const { tenant, actor } = request;
      const { user_id } = request.params as { user_id: string };
      const { redirect_uri } = (request.body ?? {}) as { redirect_uri?: string };
      await users.get(tenant, user_id);
      await checkTarget(tenant, actor, 'update:users', redirect_uri);
      const asking = isOwn(actor, user_id) ? mintBrowserProof() : undefined;
      const asked = { redirect_uri, ...(asking && { browser: asking.browser, grant: actor.grant, isOwn: true }) };
      const started = await startEmailVerification(tenant, user_id, asked);
      if (started === 'already_verified') return { status: started };
      if (asking) markBrowser(request, reply, asking.proof, VERIFY_SECONDS);
      await request.audit({ type: 'user.email_verification_started', subject: user_id, refs: { user: user_id } });
      return { status: 'verification_sent', ticket_id: started.id };
    },
  );
}
