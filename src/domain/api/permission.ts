/** The catalogue of management permissions: what a tenant's management Api lists, and what the operator has besides. */
import type { Permissions } from '../../resource/define.ts';
import { collections } from '../../resource/registry.ts';

type Permission = { value: string; description: string };

const VERBS = ['read', 'create', 'update', 'delete'] as const;
const capitalized = (word: string) => word[0]!.toUpperCase() + word.slice(1);

const permissionsOf = (noun: string, { of, verbs = VERBS, more = {} }: Permissions): Permission[] => [
  ...verbs.map((verb) => ({ value: `${verb}:${noun}`, description: `${capitalized(verb)} ${of}` })),
  ...Object.entries(more).map(([value, description]) => ({ value, description })),
];

let catalogue: readonly Permission[] | undefined;

/** Of every resource that administrators reach, by its noun. */
export const managementPermissions = (): readonly Permission[] =>
  (catalogue ??= collections()
    .filter(({ spec }) => spec.permissions)
    .sort((a, b) => (a.spec.permission < b.spec.permission ? -1 : 1))
    .flatMap(({ spec }) => permissionsOf(spec.permission, spec.permissions!)));

/** What only the operator of the installation may do. */
export const platformPermissions = (): readonly Permission[] => [
  ...managementPermissions(),
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
export const isReservedIdentifier = (identifier: string): boolean => /^(urn:)?(cardea|faable):/i.test(identifier);
