/**
 * Rich authorization requests (RFC 9396): the account says which types there are, the user decides on each request, and
 * a token says what was decided. What a detail means is for the API that reads it; here it is kept, shown and narrowed.
 */
import { isDeepStrictEqual } from 'node:util';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';

export type AuthorizationDetail = { type: string; [member: string]: unknown };

/** In characters of JSON. Access tokens carry them, and travel in headers. */
const MAX_LENGTH = 4096;
/** §2.2: lists of what the detail covers. A shorter list covers less, which is all that we can know about any type. */
const LISTS = new Set(['locations', 'actions', 'datatypes', 'privileges']);

const parse = (json: unknown): AuthorizationDetail[] | undefined =>
  typeof json === 'string' ? (JSON.parse(json) as AuthorizationDetail[]) : undefined;

/** Whether what the granted detail allows includes what the other asks (§6.1). */
function covers(granted: AuthorizationDetail, asked: AuthorizationDetail): boolean {
  const names = new Set([...Object.keys(granted), ...Object.keys(asked)]);
  return [...names].every((name) => {
    const [has, wants] = [granted[name], asked[name]];
    if (!LISTS.has(name) || !Array.isArray(has) || !Array.isArray(wants)) return isDeepStrictEqual(has, wants);
    return wants.length > 0 && wants.every((item) => has.includes(item));
  });
}

/** The engine's `validate` of every type; it has checked the types and the common members (§2). */
async function validate(ctx: KoaContextWithOIDC, detail: AuthorizationDetail): Promise<void> {
  if (String(ctx.oidc.params?.authorization_details).length > MAX_LENGTH)
    throw new errors.InvalidAuthorizationDetails(
      `authorization_details must be no longer than ${MAX_LENGTH} characters`,
    );
  // Each is for somebody to say yes to, and these have nobody or no page that shows it.
  const grant = ctx.oidc.route === 'token' ? ctx.oidc.params?.grant_type : ctx.oidc.route;
  if (grant === 'client_credentials' || grant === 'device_authorization')
    throw new errors.InvalidAuthorizationDetails('authorization_details need a user who is asked in a browser');
  // Before the engine replaces the refresh token: a client that is refused keeps what it has.
  if (grant === 'refresh_token') {
    const held = await ctx.oidc.provider.RefreshToken.find(String(ctx.oidc.params?.refresh_token));
    checkCovered((held as Source | undefined)?.rar, [detail]);
  }
}

/** @throws InvalidAuthorizationDetails for more than the user allowed (§6.1). */
function checkCovered(granted: AuthorizationDetail[] | undefined, asked: AuthorizationDetail[]): void {
  if (!asked.every((detail) => granted?.some((allowed) => covers(allowed, detail))))
    throw new errors.InvalidAuthorizationDetails('authorization_details exceed what the user allowed');
}

type Source = { rar?: AuthorizationDetail[] };

/** The engine's `features.richAuthorizationRequests` for the types that the account has; none: the parameter is refused. */
export function richAuthorizationRequests(tenant: Tenant) {
  const names = tenant.account.oauth.authorization_details_types;
  const known = (details: AuthorizationDetail[] | undefined) => details?.filter(({ type }) => names.includes(type));
  return {
    enabled: names.length > 0,
    types: Object.fromEntries(names.map((name) => [name, { validate }])),
    // Consent is asked for each request, so what is asked for here was allowed.
    authorizationDetailsForGrantSource: (ctx: KoaContextWithOIDC) => parse(ctx.oidc.params?.authorization_details),
    authorizationDetailsForAccessToken(ctx: KoaContextWithOIDC, _token: unknown, source: Source | undefined) {
      const granted = known(source?.rar) ?? [];
      const asked = parse(ctx.oidc.params?.authorization_details);
      if (!asked) return granted;
      checkCovered(granted, asked);
      return asked;
    },
    authorizationDetailsForIntrospection: (_ctx: KoaContextWithOIDC, token: Source) => token.rar,
  };
}

/** Our own grants have no page that could ask; where an account knows the parameter, it is refused instead of overheard. */
export function refuseDetails(tenant: Tenant, ctx: KoaContextWithOIDC): void {
  if (tenant.account.oauth.authorization_details_types.length === 0) return;
  if ((ctx.oidc.body as Record<string, unknown> | undefined)?.authorization_details !== undefined)
    throw new errors.InvalidAuthorizationDetails('authorization_details need a user who is asked in a browser');
}
