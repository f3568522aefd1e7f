/** To whoever was invited to a team: the link that accepts. */
import Type from 'typebox';
import { isIssued } from '../link/ticket.ts';
import { defineMail } from './define-mail.ts';

export const teamInvite = defineMail({
  type: 'team_invite',
  data: {
    link: Type.String(),
    /** The team's name, and the id of the user who invited; a client invites as nobody. */
    team: Type.String(),
    inviter: Type.Optional(Type.String()),
  },
  samples: {
    invite: { link: 'https://acme.example.com/invite-verify?ticket=sample', team: 'Warehouse', expires_in: 604_800 },
  },
  happened: (tenant, { ref }) => isIssued(tenant, ref),
});
