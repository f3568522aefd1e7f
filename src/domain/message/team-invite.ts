/** To whoever was invited to a team: the link that accepts. */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { isIssued } from '../link/ticket.ts';

export const teamInvite = defineMessage({
  type: 'team_invite',
  channel: 'mail',
  data: {
    link: Type.String(),
    /** The team's name, and the id of the user who invited; a client invites as nobody. */
    team: Type.String(),
    inviter: Type.Optional(Type.String()),
  },
  happened: (tenant, { ref }) => isIssued(tenant, ref),
});
