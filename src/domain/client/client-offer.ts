/**
 * What of a client's own description has an effect here. The rest is left out (RFC 7591 §2), and the answer shows what
 * holds. What a client would be worse protected without is not left out but refused, which is client-members.ts's.
 */
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import { apis } from '../api/api.ts';

type Said = Record<string, unknown>;

/** What a login here may be called (OIDC Core §2, `acr`). */
export const ONE_FACTOR = 'urn:cardea:acr:1fa';
export const ACR_VALUES = [ONE_FACTOR];

/** Whoever registers by itself acts for users who were asked, never for itself, and handles nobody's password. */
export const REGISTRABLE_GRANTS = [
  'authorization_code',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:device_code',
] as const;

/** Understood, and for things that there are not: requests at addresses or encrypted, subjects by sector. */
const WITHOUT_EFFECT = [
  'request_uris',
  'sector_identifier_uri',
  'request_object_encryption_alg',
  'request_object_encryption_enc',
];

const only = (said: Said, member: string, values: readonly string[]): Record<string, unknown[]> =>
  Array.isArray(said[member]) ? { [member]: said[member].filter((value) => values.includes(value)) } : {};

/** Of a list that has nothing for us nothing is left out: it is refused. */
function someOf(said: Said, member: string, values: readonly string[]): Said {
  const left = only(said, member, values);
  return left[member]?.length ? left : {};
}

/** RFC 6749 §3.3 */
const foldedScope = ({ scope }: Said): Said =>
  typeof scope === 'string' ? { scope: scopeWords(scope).join(' ') } : {};

function dropping(said: Said, members: readonly string[]): Said {
  return Object.fromEntries(Object.entries(said).filter(([member]) => !members.includes(member)));
}

/** Whatever the account. @param grantTypes of the client as it is, which it may keep. */
export function applicable(said: Said, grantTypes: readonly string[] = []): Said {
  const acr = only(said, 'default_acr_values', ACR_VALUES);
  const lists = {
    ...someOf(said, 'grant_types', [...REGISTRABLE_GRANTS, ...grantTypes]),
    ...someOf(said, 'response_types', ['code']),
    ...acr,
  };
  return dropping({ ...said, ...foldedScope(said), ...lists }, [
    ...WITHOUT_EFFECT,
    ...(acr.default_acr_values?.length ? [] : ['default_acr_values']),
    ...(said.token_endpoint_auth_method === 'private_key_jwt' ? [] : ['token_endpoint_auth_signing_alg']),
    // Unsigned requests need no announcement, and signed ones a key.
    ...(said.request_object_signing_alg === 'none' || !(said.jwks || said.jwks_uri)
      ? ['request_object_signing_alg']
      : []),
  ]);
}

/** What the account has switched on. */
export function offered({ account: { oauth } }: Tenant, members: Said): Said {
  const types = oauth.authorization_details_types;
  return dropping({ ...members, ...only(members, 'authorization_details_types', types) }, [
    ...(oauth.request_objects ? [] : ['request_object_signing_alg']),
    ...(types.length ? [] : ['authorization_details_types']),
  ]);
}

const OIDC_SCOPES = ['openid', 'offline_access', 'profile', 'email', 'phone', 'address'];

/** The names that are known here, as `/authorize` would go by them; nothing where there is none (RFC 7591 §3.2.1). */
export async function knownScope(tenant: Tenant, scope: string): Promise<string | undefined> {
  const asked = scopeWords(scope);
  const wanted = asked.filter((name) => !OIDC_SCOPES.includes(name));
  if (wanted.length === 0 || (await apis.exists(tenant, { enforce_policies: { $eq: false } }))) return scope;
  const serving = await apis.all(tenant, { 'permissions.value': { $in: wanted } });
  const known = new Set(serving.flatMap(({ permissions }) => permissions.map(({ value }) => value)));
  return asked.filter((name) => !wanted.includes(name) || known.has(name)).join(' ') || undefined;
}
