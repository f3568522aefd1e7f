/** APIs (resource servers): identifier, permissions and how their access tokens look. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { distinct } from '../../kernel/distinct.ts';
import { Fault } from '../../kernel/fault.ts';
import { isVisible } from '../../kernel/text/kind.ts';
import { slugify } from '../../kernel/text.ts';
import { uriKey } from '../../kernel/uri.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, OneOf, type Row } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { mountResource } from '../../resource/routes.ts';
import { accountOfKey, watched } from '../../store/changes.ts';
import { isTaken, Name, PerLanguage, Text } from '../fields.ts';
import { ensureSigningKeys } from '../key/account-keys.ts';
import { SIGNING_ALGS } from '../key/signing-key.ts';
import { userinfoAudience } from './audience.ts';
import { isReservedIdentifier, managementAudiences, managementPermissions } from './permission.ts';

/** What the header of an access token calls it: RFC 9068 §2.1, or what readers that know no other want. */
export const TOKEN_TYPES = ['at+jwt', 'JWT'] as const;
export type TokenTyp = (typeof TOKEN_TYPES)[number];

const LONGEST_IDENTIFIER = 500;
/** With every character of it escaped. */
const LONGEST_SPELLING = 3 * LONGEST_IDENTIFIER;

/** No access token outlives this. */
export const LONGEST_TOKEN_SECONDS = 30 * DAY;

const Permission = Type.Object(
  {
    // RFC 6749 §3.3: a scope token is printable ASCII without space, quote and backslash.
    value: Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\x21\\x23-\\x5B\\x5D-\\x7E]+$' }),
    description: Type.Optional(Text('Human-readable explanation shown in the consent prompt.', 500)),
    descriptions: Type.Optional(PerLanguage(500, 'The same in other languages, by language tag: `{"es": "…"}`.')),
  },
  { additionalProperties: false },
);

const writable = {
  name: Name('Human-readable name for the API.'),
  names: PerLanguage(200, 'The name in other languages, by language tag, for the pages that ask for consent.'),
  description: Text('Human-readable description of the API.'),
  permissions: Type.Array(Permission, { maxItems: 1000, description: 'Permissions (scopes) this API exposes.' }),
  signing_alg: OneOf(SIGNING_ALGS, 'JWA algorithm used to sign access tokens for this API.'),
  token_dialect: OneOf(['access_token', 'access_token_authz'], '`access_token_authz` adds a `permissions` claim.'),
  token_typ: OneOf(
    TOKEN_TYPES,
    'The `typ` in the header of its access tokens: `at+jwt` (RFC 9068), or `JWT` for readers that refuse it. Those have `token_use: access`, which no ID token has.',
  ),
  token_lifetime: Type.Integer({
    minimum: 60,
    maximum: LONGEST_TOKEN_SECONDS,
    description: 'Access token lifetime in seconds.',
  }),
  enforce_policies: Type.Boolean({ description: 'Only scopes that match a permission are granted.' }),
  allow_offline_access: Type.Boolean({ description: 'Clients may ask for refresh tokens for this API.' }),
  skip_consent: Type.Boolean({ description: 'First-party clients need no consent.' }),
  include_teams_in_access_token: Type.Boolean({ description: "`teams`: slugs of the user's teams." }),
  include_roles_in_access_token: Type.Boolean({ description: "`roles`: names of the user's account-wide roles." }),
  include_teams_in_id_token: Type.Boolean({ description: '`teams`, in id tokens of logins for this API.' }),
  include_roles_in_id_token: Type.Boolean({ description: '`roles`, in id tokens of logins for this API.' }),
  rbac: Type.Boolean({ description: "A user's token gets only the permissions that the user's roles grant." }),
};

export const apis = defineCollection({
  name: 'api',
  watched: true,
  title: 'Api',
  tag: {
    title: 'APIs',
    description: 'Resource servers: their identifier (the audience), their permissions, and how their tokens look.',
  },
  permission: 'apis',
  permissions: { of: 'APIs' },
  collection: 'apis',
  row: Type.Object({
    ...writable,
    description: Type.Optional(writable.description),
    names: Type.Optional(writable.names),
    slug: Type.String({ description: 'URL-safe name, unique within the tenant' }),
    identifier: Type.String({ description: 'The audience of its access tokens' }),
  }),
  stored: Type.Object({ system: Type.Optional(Type.Boolean()) }),
  defaults: () => ({
    permissions: [],
    signing_alg: 'RS256' as const,
    token_dialect: 'access_token' as const,
    token_typ: 'at+jwt' as const,
    token_lifetime: 86_400,
    enforce_policies: true,
    allow_offline_access: true,
    skip_consent: true,
    include_teams_in_access_token: false,
    include_roles_in_access_token: false,
    include_teams_in_id_token: false,
    include_roles_in_id_token: false,
    rbac: false,
  }),
  filter: ['name', 'identifier', 'slug'],
  freeForm: ['metadata'],
  search: ['name', 'identifier', 'description', 'slug'],
  unique: [['identifier'], ['slug']],
  protect(_tenant, { system }) {
    if (system) throw new Fault('protected', 'The management API belongs to the system and cannot be deleted.');
  },
});

export type Api = Row<typeof apis.spec.row, NonNullable<typeof apis.spec.stored>>;
type ApiInput = Partial<Omit<Api, 'id' | 'account'>>;

/** RFC 8707 §2 asks for an absolute URI without fragment; plain names like `orders` are accepted, as Auth0 does. */
function checkIdentifier(tenant: Tenant, identifier: string): void {
  const refuse = (message: string): never => {
    throw new Fault('validation', `"identifier" ${message}.`, { details: [{ path: '/identifier', message }] });
  };
  if (/[\s#\\"<>^`{|}]/.test(identifier) || !isVisible(identifier))
    refuse('may not contain white space, "#" or other characters that a URI cannot hold');
  if (isReservedIdentifier(identifier)) refuse('may not start with "cardea:" or "faable:", which are reserved');
  if (uriKey(identifier) === uriKey(userinfoAudience(tenant)))
    refuse('is the address of userinfo, which tokens for no API are for');
}

/** @throws Fault `conflict` where another Api has it in other letters: which of the two a client means nobody could tell. */
async function checkSpelling(tenant: Tenant, identifier: string): Promise<void> {
  const taken = (await spellingsOf(tenant)).get(uriKey(identifier));
  if (taken === undefined || taken === identifier) return;
  const message = `is another spelling of ${JSON.stringify(taken)}`;
  throw new Fault('conflict', `"identifier" ${message}.`, { details: [{ path: '/identifier', message }] });
}

/** @throws Fault `conflict` when the identifier is taken; a slug that is taken gets a number. */
export async function createApi(tenant: Tenant, input: ApiInput): Promise<Api> {
  checkMetadata('/metadata', input.metadata);
  checkIdentifier(tenant, input.identifier!);
  await checkSpelling(tenant, input.identifier!);
  await ensureSigningKeys(tenant, input.signing_alg);
  const base = slugify(input.name!) || 'api';
  for (let n = 1; ; n += 1) {
    const slug = n === 1 ? base : `${base}-${n}`;
    if (await apis.exists(tenant, { slug: { $eq: slug } })) continue;
    try {
      return await apis.create(tenant, { ...once(input), slug });
    } catch (error) {
      if (!isTaken(error, 'slug')) throw error;
    }
  }
}

/** A permission that is listed twice is one. */
const once = <I extends ApiInput>(input: I): I =>
  input.permissions ? { ...input, permissions: distinct(input.permissions, ({ value }) => value) } : input;

/**
 * That an Api has all of some permissions, unless it takes whatever it is asked for.
 * @throws Fault `invalid_reference` (422) naming the first that it has not.
 */
export function requirePermissions(api: Api, wanted: readonly string[], field: string): void {
  if (!api.enforce_policies) return;
  const known = new Set(permissionsOf(api).map(({ value }) => value));
  const unknown = wanted.find((value) => !known.has(value));
  if (unknown === undefined) return;
  const message = `names the permission ${JSON.stringify(unknown)}, which the API ${JSON.stringify(api.identifier)} does not have`;
  throw new Fault('invalid_reference', `"${field}" ${message}.`, { details: [{ path: `/${field}`, message }] });
}

/** The row of the management Api keeps the catalogue of the day it was made; the system's is of today. */
export const permissionsOf = ({ system, permissions }: Api): Api['permissions'] =>
  system ? [...managementPermissions()] : permissions;

/** The account's own management Api: a row like any other, except that the system owns it. */
export async function createManagementApi(tenant: Tenant): Promise<Api> {
  const [identifier] = managementAudiences(tenant.id);
  const existing = await apis.findOne(tenant, { identifier: { $eq: identifier } });
  return (
    existing ??
    apis.create(tenant, {
      name: 'Management API',
      slug: 'management-api',
      description: 'Manages everything in this account.',
      identifier,
      permissions: [...managementPermissions()],
      allow_offline_access: false,
      rbac: true,
      system: true,
    })
  );
}

async function updateApi(tenant: Tenant, id: string, patch: ApiInput): Promise<Api> {
  checkMetadata('/metadata', patch.metadata);
  const current = await apis.get(tenant, id);
  const frozen = ['permissions', 'rbac', 'enforce_policies', 'signing_alg', 'token_typ'] as const;
  for (const field of frozen) {
    if (current.system && patch[field] !== undefined)
      throw new Fault('protected', `"${field}" of the management API belongs to the system.`);
  }
  await ensureSigningKeys(tenant, patch.signing_alg);
  return apis.update(tenant, id, once(patch));
}

/** Of the account's Apis by what any spelling of them comes down to; of several the first to be made. */
async function spellingsOf(tenant: Tenant): Promise<Map<string, string>> {
  const all = (await apis.all(tenant, {})).sort((one, other) => +other.createdAt - +one.createdAt);
  return new Map(all.map(({ identifier }) => [uriKey(identifier), identifier]));
}

const spellings = watched<Map<string, string>>(2_000, accountOfKey);

/** As it is stored, whichever way it is spelled (RFC 3986 §6.2). */
const spelled = async (tenant: Tenant, identifier: string): Promise<string | undefined> =>
  (await spellings.get(`${tenant.id} `, () => spellingsOf(tenant))).get(uriKey(identifier));

export async function apiByIdentifier(tenant: Tenant, identifier: string): Promise<Api | undefined> {
  const [own, ...aliases] = managementAudiences(tenant.id);
  const wanted = aliases.includes(identifier) ? own! : identifier;
  const find = (exactly: string) => apis.findOne(tenant, { identifier: { $eq: exactly } });
  const other = async () => {
    const known = URL.canParse(wanted) ? await spelled(tenant, wanted) : undefined;
    return known === undefined || known === wanted ? undefined : find(known);
  };
  const api = (await find(wanted)) ?? (await other());
  return api && { ...api, permissions: permissionsOf(api) };
}

const held = watched<Api | undefined>(20_000, accountOfKey);

/** As `apiByIdentifier`, seconds old at most where another instance changed it. */
export const recentApi = (tenant: Tenant, identifier: string): Api | undefined | Promise<Api | undefined> =>
  // What nobody's Api can be called may be as long as anybody likes: it is not held.
  identifier.length <= LONGEST_SPELLING
    ? held.get(`${tenant.id} ${identifier}`, () => apiByIdentifier(tenant, identifier))
    : undefined;

/** The audience that a client means, as its Api spells it; what is no Api's, or the system's under one of its names, as it came. */
export async function audienceAsStored(tenant: Tenant, audience: string): Promise<string> {
  const api = await recentApi(tenant, audience);
  return api && !api.system ? api.identifier : audience;
}

export function mount(app: FastifyInstance): void {
  const { name, ...optional } = writable;
  const optionals = Object.fromEntries(
    Object.entries(optional).map(([field, schema]) => [field, Type.Optional(schema)]),
  );
  mountResource(app, apis, {
    create: {
      body: Type.Object(
        {
          name,
          identifier: Type.String({
            minLength: 1,
            maxLength: LONGEST_IDENTIFIER,
            description: 'Audience of its tokens; immutable.',
          }),
          ...optionals,
          metadata: Type.Optional(Metadata),
        },
        { additionalProperties: false },
      ),
      run: createApi,
    },
    update: {
      body: Type.Object(
        { name: Type.Optional(name), ...optionals, metadata: Type.Optional(Metadata) },
        { additionalProperties: false },
      ),
      run: updateApi,
    },
    remove: true,
  });
}
