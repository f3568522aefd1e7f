/** A row of every resource, by the resource's name: each call makes another one, with all that it refers to. */
import { type TenantHandle, tokensOf } from '../kit/index.ts';

let count = 0;
const unique = (word: string): string => `${word}${++count}`;
const made = async (t: TenantHandle, path: string, body: unknown): Promise<string> =>
  (await t.api('POST', path, body)).id;
const userOf = (t: TenantHandle) =>
  made(t, '/user', { name: 'Ada', email: `${unique('row')}@example.com`, username: unique('ada'), locale: 'en' });

/** One row each: an account has one template a language. */
const MAIL_TEMPLATES = ['verify_email', 'team_invite', 'change_email'].flatMap((template) =>
  ['en', 'es'].map((locale) => ({ template, locale })),
);

export const ROWS: Record<string, (t: TenantHandle) => Promise<string>> = {
  user: userOf,
  connection: (t) =>
    made(t, '/connection', {
      connection_name: unique('upstream'),
      connection_type: 'oidc',
      issuer: 'https://issuer.example.com',
    }),
  client: async (t) => (await t.client()).client_id,
  async grant(t) {
    const user = await t.user();
    await tokensOf(t, await t.client({ is_first_party: false }), user);
    return (await t.api('GET', `/grant?query=user:${user.id}`)).results[0].id;
  },
  identity: async (t) =>
    made(t, '/identity', {
      account: t.id,
      user: await userOf(t),
      identity_id: unique('gh-'),
      connection: await ROWS.connection!(t),
      profile_data: {},
    }),
  credentials: async (t) =>
    made(t, '/credentials', {
      user: await userOf(t),
      connection: t.connection,
      email: `${unique('row')}@example.com`,
      username: unique('ada'),
    }),
  role: (t) => made(t, '/role', { name: unique('role'), description: 'may do things' }),
  async rolemember(t) {
    const [role, user] = [await ROWS.role!(t), await userOf(t)];
    return (await t.api('POST', `/role/${role}/users`, { users: [user] }))[0].id;
  },
  team: (t) => made(t, '/team', { name: unique('Team ') }),
  async teammember(t) {
    const [team, user, role] = [await ROWS.team!(t), await userOf(t), await ROWS.role!(t)];
    await t.api('POST', `/team/${team}/member`, { users: [user], roles: [role] });
    return (await t.api('GET', `/teammember?query=team:${team}`)).results[0].id;
  },
  api: (t) => made(t, '/api', { name: unique('Api '), identifier: `https://${unique('api')}.example.com` }),
  action: (t) =>
    made(t, '/action', {
      name: unique('action'),
      trigger: 'post-login',
      code: 'exports.onExecutePostLogin = async () => {};',
    }),
  notificationsubscription: (t) =>
    made(t, '/notificationsubscription', {
      events: ['user.created'],
      channel: 'email',
      config: { recipients: ['a@example.com'] },
    }),
  mailtemplate: (t) =>
    made(t, '/mailtemplate', {
      ...MAIL_TEMPLATES[count++ % MAIL_TEMPLATES.length],
      subject: 'Confirm',
      html: '<a href="{{ link }}">Confirm</a>',
      text: '{{ link }}',
    }),
  customdomain: (t) => made(t, '/customdomain', { domain: `${unique('login')}.example.com` }),
  async log(t) {
    const { client_id } = await t.client();
    return (await t.api('GET', `/log?query=client:${client_id}`)).results[0].id;
  },
};
