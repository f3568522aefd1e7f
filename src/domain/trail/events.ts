/**
 * THE list of events that may be subscribed to: what each says, which permission shows the same by the API, and an
 * example. Which write makes one is said by the spec of its resource; documentation and tests come from here.
 */

export type Event = {
  description: string;
  /** What may make one. */
  by: readonly ('API' | 'import' | 'login' | 'link' | 'registration' | 'clock')[];
  /** Who subscribes has it: events show nothing that could not be read. */
  permission: string;
  example: Record<string, unknown>;
};

const ROW = {
  account: 'account_6a2b1e5f0c9d8e7f6a5b4c3d',
  metadata: {},
  createdAt: '2026-03-01T09:30:00.000Z',
  updatedAt: '2026-03-01T09:30:00.000Z',
};
const USER_ID = 'user_6a2b1e5f0c9d8e7f6a5b4c31';
const CLIENT_ID = 'client_6a2b1e5f0c9d8e7f6a5b4c32';
const CONNECTION_ID = 'connection_6a2b1e5f0c9d8e7f6a5b4c33';
const TEAM_ID = 'team_6a2b1e5f0c9d8e7f6a5b4c34';

const USER = {
  id: USER_ID,
  name: 'Ada Lovelace',
  email: 'ada@example.com',
  email_verified: false,
  phone_verified: false,
  logins_count: 0,
  suspended: false,
  user_metadata: {},
  app_metadata: {},
  ...ROW,
};
const SUSPENDED = { ...USER, suspended: true, suspended_at: '2026-03-02T10:00:00.000Z', suspended_reason: 'Unpaid' };
const VERIFIED = {
  ...USER,
  email_verified: true,
  email_verified_method: 'manual',
  email_verified_at: '2026-03-02T10:00:00.000Z',
};
const TEAM = { id: TEAM_ID, name: 'Warehouse', slug: 'warehouse', description: null, logo_url: null, ...ROW };
const MEMBER = { id: 'teammember_6a2b1e5f0c9d8e7f6a5b4c35', user: USER_ID, team: TEAM_ID, roles: [], ...ROW };
const ROLE_MEMBER = {
  id: 'rolemember_6a2b1e5f0c9d8e7f6a5b4c36',
  role: 'role_6a2b1e5f0c9d8e7f6a5b4c37',
  user: USER_ID,
  ...ROW,
};
const CREDENTIAL = {
  id: 'credentials_6a2b1e5f0c9d8e7f6a5b4c38',
  connection: CONNECTION_ID,
  user: USER_ID,
  email: 'ada@example.com',
  ...ROW,
};
/** What of a client is always there; what it was set up with is beside it. */
const CLIENT = {
  id: CLIENT_ID,
  client_id: CLIENT_ID,
  name: 'Orders',
  token_endpoint_auth_method: 'client_secret_basic',
};
const login = (type: string, status: string, data: Record<string, unknown>) => ({
  id: 'log_6a2b1e5f0c9d8e7f6a5b4c39',
  type,
  status,
  user: USER_ID,
  client: CLIENT_ID,
  connection: CONNECTION_ID,
  data,
  expires_at: '2026-05-30T09:30:00.000Z',
  ...ROW,
});
const refused = (reason: string) => ({
  reason,
  ip: '203.0.113.7',
  count: 1,
  first_at: '2026-03-01T09:30:00.000Z',
  last_at: '2026-03-01T09:30:00.000Z',
});

const users = 'read:users';
const logs = 'read:logs';
export const EVENTS = {
  'user.created': {
    description: 'A user was made: by the API, a sign-up, an import, an invitation, or a first login.',
    by: ['API', 'import', 'login', 'link'],
    permission: users,
    example: USER,
  },
  'user.updated': {
    description: 'Something about a user was changed. Logins and bounced mails are no such change.',
    by: ['API', 'link', 'login'],
    permission: users,
    example: { ...USER, name: 'Ada King' },
  },
  'user.deleted': {
    description: 'A user was deleted; the user as it was.',
    by: ['API'],
    permission: users,
    example: USER,
  },
  'user.email_changed': {
    description: 'A user has another email address; comes with `user.updated`.',
    by: ['API', 'link'],
    permission: users,
    example: {
      ...USER,
      email: 'ada@new.example.com',
      email_verified_method: null,
      email_verified_at: null,
      email_bounced_at: null,
    },
  },
  'user.email_verified': {
    description: 'The email of a user was verified; comes with `user.updated`.',
    by: ['API', 'link', 'login'],
    permission: users,
    example: VERIFIED,
  },
  'user.suspended': {
    description: 'A user was suspended; comes with `user.updated`.',
    by: ['API'],
    permission: users,
    example: SUSPENDED,
  },
  'user.reinstated': {
    description: 'A user is suspended no more; comes with `user.updated`.',
    by: ['API'],
    permission: users,
    example: { ...USER, suspended_at: null, suspended_reason: null },
  },
  'credential.password_changed': {
    description: 'A password was replaced, by an administrator or its user.',
    by: ['API', 'link'],
    permission: 'read:credentials',
    example: CREDENTIAL,
  },
  'auth.login': {
    description: 'Somebody logged in: the row of the log.',
    by: ['login'],
    permission: logs,
    example: login('auth.login', 'success', { ip: '203.0.113.7', method: 'password' }),
  },
  'auth.login.failed': {
    description:
      'A login was refused: the row of the log. Refusals of one kind from one network are counted in one row for a quarter of an hour, and told of once.',
    by: ['login'],
    permission: logs,
    example: login('auth.login.failed', 'failed', refused('wrong_password')),
  },
  'auth.suspended': {
    description: 'A suspended user tried to log in; counted as `auth.login.failed` is.',
    by: ['login'],
    permission: logs,
    example: login('auth.suspended', 'failed', refused('suspended')),
  },
  'team.created': { description: 'A team was made.', by: ['API'], permission: 'read:teams', example: TEAM },
  'team.updated': {
    description: 'A team was changed.',
    by: ['API'],
    permission: 'read:teams',
    example: { ...TEAM, name: 'Storehouse' },
  },
  'team.deleted': {
    description: 'A team was deleted; the team as it was.',
    by: ['API'],
    permission: 'read:teams',
    example: TEAM,
  },
  'team.member.added': {
    description: 'A user is in a team now: added by the API, or by accepting an invitation.',
    by: ['API', 'link'],
    permission: 'read:teammembers',
    example: MEMBER,
  },
  'team.member.removed': {
    description: 'A user is in a team no more, also because one of the two was deleted.',
    by: ['API'],
    permission: 'read:teammembers',
    example: MEMBER,
  },
  'role.member.added': {
    description: 'A user was given a role.',
    by: ['API'],
    permission: 'read:rolemembers',
    example: ROLE_MEMBER,
  },
  'role.member.removed': {
    description: 'A role was taken from a user, also because one of the two was deleted.',
    by: ['API'],
    permission: 'read:rolemembers',
    example: ROLE_MEMBER,
  },
  'client.created': {
    description: 'A client was made, or registered itself. Its secret is in no event.',
    by: ['API', 'registration'],
    permission: 'read:clients',
    example: CLIENT,
  },
  'client.updated': {
    description: 'A client was changed, also its secret.',
    by: ['API', 'registration'],
    permission: 'read:clients',
    example: { ...CLIENT, name: 'Orders and returns' },
  },
  'client.deleted': {
    description: 'A client was deleted; the client as it was.',
    by: ['API', 'registration', 'clock'],
    permission: 'read:clients',
    example: CLIENT,
  },
} as const satisfies Record<string, Event>;

export type EventName = keyof typeof EVENTS;
export const EVENT_NAMES = Object.keys(EVENTS) as EventName[];
export const isEvent = (name: string): name is EventName => Object.hasOwn(EVENTS, name);

/** Sent by hand alone, to try a webhook. */
export const TEST_EVENT = 'notificationsubscription.test';

/** What readers of mails are told once, in place of what is too much to be mailed. */
export const LIMIT_EVENT = 'notificationsubscription.limited';

export const testPayload = (subscription: string) => ({ subscription, message: 'This is a test.' });

/** The types of rows of the log that are events too. */
export const LOGGED: readonly string[] = EVENT_NAMES.filter((name) => name.startsWith('auth.'));

const BY_THE_ROW = new Set(['updatedAt']);
const differs = (before: Record<string, unknown>, after: Record<string, unknown>): boolean =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].some(
    (field) => !BY_THE_ROW.has(field) && JSON.stringify(before[field]) !== JSON.stringify(after[field]),
  );

/** The events of rows that come, change and go; a kind of write without a name makes none. */
export function lifecycle<R>(named: {
  created?: EventName;
  updated?: EventName;
  deleted?: EventName;
  /** Besides, by what a change made of the row. */
  changed?: Partial<Record<EventName, (before: R, after: R) => boolean>>;
}) {
  const { created, updated, deleted, changed = {} } = named;
  const changes = Object.entries(changed) as [EventName, (before: R, after: R) => boolean][];
  return {
    names: [created, updated, deleted, ...changes.map(([name]) => name)].filter((name) => name !== undefined),
    of(before: R | undefined, after: R | undefined): EventName[] {
      if (!before) return created ? [created] : [];
      if (!after) return deleted ? [deleted] : [];
      if (!differs(before as never, after as never)) return [];
      return [...(updated ? [updated] : []), ...changes.flatMap(([name, is]) => (is(before, after) ? [name] : []))];
    },
  };
}
