/** To an address that somebody gave as theirs: the link that proves it. */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { isIssued } from '../link/ticket.ts';

export const verifyEmail = defineMessage({
  type: 'verify_email',
  channel: 'mail',
  data: { link: Type.String() },
  happened: (tenant, { ref }) => isIssued(tenant, ref),
});
