/** To the new address of a user, and where the policy says so then to the old one: the link that agrees to the change. */
import Type from 'typebox';
import { OneOf } from '../../resource/define.ts';
import { isIssued } from '../link/ticket.ts';
import { defineMail } from './define-mail.ts';

const sample = {
  link: 'https://acme.example.com/change-email-verify?ticket=sample',
  new_email: 'new@example.com',
  expires_in: 86_400,
};

export const changeEmail = defineMail({
  type: 'change_email',
  data: {
    link: Type.String(),
    new_email: Type.String(),
    /** Whose address this is sent to. */
    step: OneOf(['new', 'old']),
  },
  samples: { new: { ...sample, step: 'new' }, old: { ...sample, step: 'old' } },
  happened: (tenant, { ref }) => isIssued(tenant, ref),
});
