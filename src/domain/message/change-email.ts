/** To the new address of a user, and where the policy says so then to the old one: the link that agrees to the change. */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { OneOf } from '../../resource/define.ts';
import { isIssued } from '../link/ticket.ts';

export const changeEmail = defineMessage({
  type: 'change_email',
  channel: 'mail',
  data: {
    link: Type.String(),
    new_email: Type.String(),
    /** Whose address this is sent to. */
    step: OneOf(['new', 'old']),
  },
  happened: (tenant, { ref }) => isIssued(tenant, ref),
});
