/** The catalogue of management permissions: what a tenant's management Api lists, and what the operator has besides. */

const describe = (noun: string, words: string, verbs = ['read', 'create', 'update', 'delete']) =>
  verbs.map((verb) => ({
    value: `${verb}:${noun}`,
    description: `${verb[0]!.toUpperCase()}${verb.slice(1)} ${words}`,
  }));

export const MANAGEMENT_PERMISSIONS: readonly { value: string; description: string }[] = [
  ...describe('accounts', 'account settings', ['read', 'update']),
  { value: 'read:account_keys', description: "See the account's shared token secret" },
  ...describe('keys', 'signing keys', ['read', 'update']),
  ...describe('connections', 'connections'),
  { value: 'read:connection_keys', description: "See connections' client secrets" },
  ...describe('clients', 'clients'),
  { value: 'read:client_keys', description: "See clients' secrets" },
  ...describe('users', 'users'),
  { value: 'read:password_hashes', description: "Export users' password hashes" },
  ...describe('credentials', 'login identifiers and passwords'),
  ...describe('grants', 'what users allowed apps to do', ['read', 'delete']),
  ...describe('roles', 'roles'),
  ...describe('rolemembers', 'role members', ['read', 'create', 'delete']),
  ...describe('teams', 'teams'),
  ...describe('teammembers', 'team members and invitations', ['read', 'create', 'delete']),
  ...describe('identities', 'identities at providers', ['read', 'create', 'delete']),
  { value: 'read:identity_tokens', description: "See providers' tokens" },
  ...describe('apis', 'APIs'),
  ...describe('actions', 'actions', ['read', 'create', 'delete']),
  ...describe('notificationsubscriptions', 'notification subscriptions'),
  { value: 'read:notificationsubscription_keys', description: "See webhooks' signing secrets" },
  ...describe('customdomains', 'custom domains'),
  ...describe('logs', 'the audit log', ['read']),
];

/** What only the operator of the installation may do. */
export const PLATFORM_PERMISSIONS: readonly { value: string; description: string }[] = [
  ...MANAGEMENT_PERMISSIONS,
  { value: 'create:accounts', description: 'Create accounts' },
  { value: 'delete:accounts', description: 'Delete accounts with everything in them' },
];

export const PLATFORM_AUDIENCE = 'cardea:platform';
export const managementAudience = (accountId: string): string => `cardea:management:${accountId}`;

/** Audiences under which a tenant's management API answers; the second is the contract's older name. */
export const managementAudiences = (accountId: string): readonly string[] => [
  managementAudience(accountId),
  `faable:management:${accountId}`,
];

/** Identifiers that no tenant may take for an Api of its own. */
export const isReservedIdentifier = (identifier: string): boolean => /^(cardea|faable):/i.test(identifier);
