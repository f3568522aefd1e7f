/**
 * Claims that a request names one by one (OIDC Core §5.5), and the one it may insist on: how the user logged in. A login
 * here proves one thing, a password or a code that was mailed, and the table says what that is called.
 */
import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { ACR_VALUES, ONE_FACTOR } from '../../domain/client/client-offer.ts';
import { CLAIMS } from '../token/claims.ts';

const BY_METHOD: Record<string, string> = { pwd: ONE_FACTOR, otp: ONE_FACTOR };

/** The `acr` of a login by these methods (RFC 8176); nothing for one that we have no name for. */
export const acrOf = (amr: readonly string[] | undefined): string | undefined =>
  amr?.map((method) => BY_METHOD[method]).find((acr) => acr !== undefined);

const MAX_LENGTH = 4096;

type ClaimRequest = { essential?: unknown; value?: unknown; values?: unknown } | null;
type ClaimsRequest = Partial<Record<'userinfo' | 'id_token', Record<string, ClaimRequest>>>;

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What of a claim's request is a list of the values that would do; nothing where any would. */
function wanted(request: ClaimRequest | undefined): unknown[] | undefined {
  if (request?.value !== undefined) return [request.value];
  if (request?.values === undefined) return undefined;
  if (!Array.isArray(request.values)) throw new errors.InvalidRequest('values of a claim must be an array');
  return request.values;
}

/** The engine's `assertClaimsParameter`. @throws InvalidRequest, or `unmet_authentication_requirements` for an essential acr. */
export async function checkClaimsParameter(ctx: KoaContextWithOIDC, asked: object): Promise<void> {
  if (String(ctx.oidc.params?.claims).length > MAX_LENGTH)
    throw new errors.InvalidRequest(`claims must be no longer than ${MAX_LENGTH} characters`);
  const claims = asked as ClaimsRequest;
  for (const place of [claims.userinfo, claims.id_token])
    for (const request of Object.values(place ?? {})) {
      if (request !== null && !isObject(request))
        throw new errors.InvalidRequest('a requested claim must be null or an object');
      wanted(request);
    }
  const acr = claims.id_token?.acr;
  const acceptable = wanted(acr);
  // No login here could meet it: the form would come again and again.
  if (acr?.essential === true && acceptable && !acceptable.some((value) => ACR_VALUES.includes(value as string)))
    throw new errors.UnmetAuthenticationRequirements('the requested authentication context cannot be provided');
}

/** OIDC Core §5.5.1: an answer about another user than the requested one is none. */
export function requireRequestedSubject(policy: ReturnType<typeof interactionPolicy.base>): void {
  const { Check } = interactionPolicy;
  const { checks } = policy.get('login')!;
  checks.remove('claims_id_token_sub_value');
  checks.add(
    new Check('requested_subject', 'the requested user is not logged in', 'login_required', (ctx) => {
      const { claims, session, result } = ctx.oidc;
      const acceptable = wanted((claims as ClaimsRequest).id_token?.sub);
      if (!acceptable || acceptable.includes(session?.accountId)) return Check.NO_NEED_TO_PROMPT;
      // Somebody else has just logged in: asking again would be asking forever.
      if (result?.login) throw new errors.LoginRequired('another user than the requested one has logged in');
      return Check.REQUEST_PROMPT;
    }),
  );
}

/* ——— through the access token, which remembers what the userinfo endpoint was asked for ——— */

const KNOWN = new Set(Object.values(CLAIMS).flat());

/** Names of the claims that a request wants from the userinfo endpoint. */
export function userinfoClaims(request: unknown): string[] | undefined {
  const names = Object.keys((request as ClaimsRequest | undefined)?.userinfo ?? {}).filter((name) => KNOWN.has(name));
  return names.length ? names : undefined;
}

/** The same as the request that the engine answers. */
export const asClaimsRequest = (names: readonly string[] | undefined) =>
  names && { userinfo: Object.fromEntries(names.map((name) => [name, null])) };
