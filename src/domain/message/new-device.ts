/** To a user who has logged in with a browser that they had not used before: if it was somebody else, they can be put out. */
import Type from 'typebox';
import { users } from '../user/user.ts';
import { defineMail } from './define-mail.ts';

const sample = {
  at: '2026-03-01T09:30:00.000Z',
  link: 'https://acme.example.com/account/sessions',
  reset_link: 'https://acme.example.com/flow/reset-password',
};

export const newDevice = defineMail({
  type: 'new_device',
  data: {
    /** What the browser says of itself. */
    browser: Type.Optional(Type.String()),
    system: Type.Optional(Type.String()),
    /** About where: `203.0.113.…`. */
    network: Type.Optional(Type.String()),
    at: Type.String(),
    /** Where the user sees their devices, and where they ask for another password. */
    link: Type.String(),
    reset_link: Type.String(),
  },
  samples: {
    known: { ...sample, browser: 'Firefox', system: 'Windows', network: '203.0.113.…' },
    unknown: sample,
  },
  /** The login was, before there was anything to tell. */
  happened: (tenant, { ref }) => users.exists(tenant, { _id: { $eq: ref } }),
});
