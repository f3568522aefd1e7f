/** Invitations to a team by email: issued, listed and revoked by administrators, accepted by the link in the mail. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY } from '../../kernel/clock.ts';
import type { Actor, Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { add, isServed, release } from '../../outbox/outbox.ts';
import { Metadata, OneOf, Timestamp } from '../../resource/define.ts';
import { present } from '../../resource/presentation.ts';
import { requireRows } from '../../resource/references.ts';
import type { Gives } from '../../resource/request.ts';
import { byRoles, byUser } from '../access/ceiling.ts';
import { roles as allRoles } from '../access/role.ts';
import { type Team, teams } from '../access/team.ts';
import { addMembers, givesRoles, isMember, Roles, type TeamMember, teamMembers } from '../access/team-member.ts';
import { Email } from '../fields.ts';
import { teamInvite } from '../message/team-invite.ts';
import { teamMemberAdded } from '../message/team-member-added.ts';
import { append } from '../trail/log.ts';
import { proveEmail } from '../user/first-proof.ts';
import { admitUser } from '../user/newcomer.ts';
import { isProved, type User } from '../user/user.ts';
import { userOfEmail } from '../user/user-of-email.ts';
import { checkTarget, RedirectUri } from './link-target.ts';
import type { MailedLink } from './mailed-link.ts';
import { isOpen, issueTicket, redeemTicket, type Ticket, tickets, voidTicket } from './ticket.ts';

const TTL_SECONDS = 7 * DAY;
const MODES = ['auto', 'invite'] as const;
/** What one answer holds; a team with more open invitations than this filters them. */
const MAX_LISTED = 1000;

type Details = { roles: string[]; mode: (typeof MODES)[number]; inviter?: string };
type Invitation = { email: string; roles?: string[]; mode?: Details['mode']; redirect_uri?: string };
type Invited = { status: 'invited'; ticket: Ticket } | { status: 'added'; member: TeamMember };

/**
 * The mode `auto` adds a known user at once; else a link is mailed, and an earlier one to the same address is void. What
 * opens the management API is given to who reads the mail: whoever may make users could have made this one.
 */
async function invite(tenant: Tenant, team: Team, input: Invitation, actor: Actor): Promise<Invited> {
  const { mode = 'auto', redirect_uri } = input;
  const roles = [...new Set(input.roles)];
  const email = demand(emailAddress, input.email, '/email');
  await checkTarget(tenant, actor, 'create:teammembers', redirect_uri);
  await requireRows(tenant, 'role', roles, 'roles');
  const known = mode === 'auto' ? await userOfEmail(tenant, email) : undefined;
  if (known && (isProved(known) || !(await gainsBy(tenant, known.id, roles))))
    return { status: 'added', member: await addKnown(tenant, team, known, roles) };
  const details: Details = { roles, mode, ...(actor.kind === 'user' && { inviter: actor.id }) };
  const ticket = await issueTicket(tenant, {
    type: 'team_invite',
    email,
    team: team.id,
    redirect_uri,
    details,
    ttlSeconds: TTL_SECONDS,
    slot: `team_invite:${team.id}:${email}`,
    mail: (link, ref) =>
      add(tenant, teamInvite, {
        to: email,
        ref,
        data: { link, team: team.name, inviter: details.inviter, expires_in: TTL_SECONDS },
      }),
  });
  return { status: 'invited', ticket };
}

/** Whether a user may do more of the management API by some roles than before. */
const gainsBy = async (tenant: Tenant, user: string, roles: readonly string[]): Promise<boolean> =>
  !(await byRoles(tenant, roles)).isSubsetOf(await byUser(tenant, user));

/** Whoever is added without being asked is told, once; it needs no mail to work. */
async function addKnown(tenant: Tenant, team: Team, user: User, roles: readonly string[]): Promise<TeamMember> {
  const isNew = isServed('mail') && !(await isMember(tenant, team.id, user.id));
  const about = { to: user.email!, ref: `${team.id} ${user.id}`, data: { team: team.name, user: user.id } };
  const told = isNew ? [await add(tenant, teamMemberAdded, about)] : [];
  const [member] = await addMembers(tenant, team.id, [user.id], roles);
  await release(tenant, told);
  return member!;
}

/** Makes a member of whoever followed the link; having it proves the address. */
async function accept(tenant: Tenant, ticket: Ticket, ip: string | null): Promise<void> {
  const team = await teams.get(tenant, ticket.team!);
  const known = await userOfEmail(tenant, ticket.email);
  const user =
    known ?? (await admitUser(tenant, { email: ticket.email, email_verified: true }, { method: 'team_invite' }));
  // A role that was deleted since the invitation is not a reason to refuse it.
  const roles = [...(await allRoles.many(tenant, (ticket.details as Details).roles)).keys()];
  const evenVouched = await gainsBy(tenant, user.id, roles);
  if (known) await proveEmail(tenant, known.id, { email: known.email!, method: 'team_invite', evenVouched });
  await addMembers(tenant, team.id, [user.id], roles);
  await append(tenant, {
    type: 'team.member.added',
    status: 'success',
    user: user.id,
    team: team.id,
    ticket: ticket.id,
    data: { ip },
  });
}

const OVER = { used: 'accepted', expired: 'expired', invalid: 'invalid_link' } as const;

export const invitationLink: MailedLink = {
  type: 'team_invite',
  fallback: '/flow/team-invite-done',
  over: async (_tenant, { status }) => OVER[status],
  question: async (tenant, { email, team }) => ({
    asks: 'join',
    email,
    team: (await teams.find(tenant, team!))?.name,
  }),
  async follow(tenant, token, { ip }) {
    const { status, ticket } = await redeemTicket(tenant, 'team_invite', token, (one) => accept(tenant, one, ip));
    return { ticket, status: status === 'done' ? 'accepted' : OVER[status] };
  },
};

function inviteWire(ticket: Ticket) {
  const { id, email, team, redirect_uri, expires_at, account, metadata, createdAt, updatedAt } = ticket;
  return {
    id,
    email,
    team,
    ...(ticket.details as Details),
    redirect_uri,
    expires_at,
    account,
    metadata,
    createdAt,
    updatedAt,
  };
}

const fields = {
  roles: Roles,
  mode: OneOf(MODES, '`auto` (default) adds a known user at once; `invite` always mails a link.'),
  redirect_uri: RedirectUri('Where the invitee is sent after accepting, with `?status=accepted` appended.'),
};
const TeamInvite = Type.Object(
  {
    id: Type.String({ description: 'TeamInvite ID' }),
    email: Type.String({ description: 'Email address that was invited' }),
    team: Type.Union([Type.String(), Type.Ref('Team')], { description: 'Id of the team the invitee will be added to' }),
    inviter: Type.Optional(
      Type.Union([Type.String(), Type.Ref('User')], { description: 'Id of who invited, if it was a user' }),
    ),
    roles: Type.Array(Type.String(), { description: 'Role ids of the new TeamMember' }),
    mode: fields.mode,
    redirect_uri: fields.redirect_uri,
    expires_at: Timestamp('When the invite stops being valid'),
    consume_date: Type.Optional(Timestamp('When the invite was accepted; absent for pending ones')),
    account: Type.String({ description: 'Object is related with this account' }),
    metadata: Type.Optional(Metadata),
    createdAt: Timestamp('TeamInvite creation date'),
    updatedAt: Type.Optional(Timestamp('TeamInvite updated date')),
  },
  { $id: 'TeamInvite', description: 'TeamInvite' },
);

export function mount(app: FastifyInstance): void {
  app.addSchema(TeamInvite);
  const id = Type.String({ maxLength: 100 });
  const params = Type.Object({ team_id: id });
  const describe = { tags: ['team'], security: [{ bearerAuth: [] }] };
  const access = (verb: string, gives?: Gives) => ({
    config: { access: { permission: `${verb}:teammembers`, gives } },
  });

  app.post(
    '/team/:team_id/invite',
    {
      ...access('create', givesRoles),
      schema: {
        ...describe,
        params,
        operationId: 'team/invite',
        summary: 'Invite a user to a Team by email',
        description:
          'Adds a known user at once (`auto`) or mails a link that is good for 7 days. Roles that open the management API are given at once only to users who have proved the address themselves. Inviting again voids the link before.',
        body: Type.Object(
          { ...fields, email: Email('Email of the user to invite'), mode: Type.Optional(fields.mode) },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Object({
            status: OneOf(['invited', 'added']),
            ticket_id: Type.Optional(Type.String({ description: 'Id of the invitation, when one was mailed' })),
            member: Type.Optional(Type.Ref('TeamMember')),
          }),
        },
      },
    },
    async (request) => {
      const { tenant, actor } = request;
      const { team_id } = request.params as { team_id: string };
      const team = await teams.get(tenant, team_id);
      const invited = await invite(tenant, team, request.body as Invitation, actor);
      const added = invited.status === 'added';
      await request.audit({
        type: added ? 'admin.team.members_added' : 'admin.team.invited',
        subject: team_id,
        fields: Object.keys(request.body as object),
        refs: { team: team_id, ...(added && { user: invited.member.user }) },
      });
      if (!added) return { status: 'invited', ticket_id: invited.ticket.id };
      return { status: 'added', member: (await present(request, teamMembers, [invited.member]))[0] };
    },
  );

  app.get(
    '/team/:team_id/invite',
    {
      ...access('read'),
      schema: {
        ...describe,
        params,
        operationId: 'team/listInvites',
        summary: 'List pending invites for a Team',
        description: `Neither accepted nor revoked nor expired; the newest ${MAX_LISTED}.`,
        querystring: Type.Object(
          { query: Type.Optional(Type.String({ maxLength: 1000, description: 'FaableQL over `email`' })) },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ data: Type.Array(Type.Ref('TeamInvite')) }) },
      },
    },
    async (request) => {
      const { team_id } = request.params as { team_id: string };
      await teams.get(request.tenant, team_id);
      const { query } = request.query as { query?: string };
      const pending = { team: { $eq: team_id }, type: { $eq: 'team_invite' }, ...isOpen() };
      const page = await tickets.list(request.tenant, { query, pageSize: MAX_LISTED }, pending);
      return { data: page.results.map(inviteWire) };
    },
  );

  app.delete(
    '/team/:team_id/invite/:ticket_id',
    {
      ...access('delete'),
      schema: {
        ...describe,
        params: Type.Object({ team_id: id, ticket_id: id }),
        operationId: 'team/revokeInvite',
        summary: 'Revoke a pending team invite',
        response: { 200: Type.Object({ status: OneOf(['revoked']) }) },
      },
    },
    async (request) => {
      const { team_id, ticket_id } = request.params as { team_id: string; ticket_id: string };
      const ticket = await tickets.find(request.tenant, ticket_id);
      if (ticket?.type !== 'team_invite' || ticket.team !== team_id) throw new Fault('not_found', 'Invite not found.');
      if (!(await voidTicket(request.tenant, ticket_id)))
        throw new Fault('invalid_request', 'The invite was accepted or revoked already.');
      await request.audit({ type: 'admin.team.invite_revoked', subject: ticket_id, refs: { team: team_id } });
      return { status: 'revoked' };
    },
  );
}
