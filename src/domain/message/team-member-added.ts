/** To a user who was invited and is in the team at once: there is nothing to accept. */
import Type from 'typebox';
import { isMember } from '../access/team-member.ts';
import { defineMail } from './define-mail.ts';

export const teamMemberAdded = defineMail({
  type: 'team_member_added',
  data: { team: Type.String() },
  samples: { added: { team: 'Warehouse' } },
  /** `ref` is the team's id and the user's, since the row between them has none beforehand. */
  happened(tenant, { ref }) {
    const [team = '', user = ''] = ref.split(' ');
    return isMember(tenant, team, user);
  },
});
