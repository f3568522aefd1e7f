/** What an access token for an Api says about the login that it came from, as far as the engine does not say it. */
import { Provider } from 'oidc-provider';
import { scopeWords } from '../../kernel/text.ts';

type Login = { authTime?: number; acr?: string; amr?: string[]; scopes: Set<string> };

/** What the engine makes the token from; a grant of ours brings the claims along in the token's `extra`. */
function loginOf(): Login | undefined {
  const { AuthorizationCode, RefreshToken } = Provider.ctx?.oidc.entities ?? {};
  return (AuthorizationCode ?? RefreshToken) as Login | undefined;
}

/** RFC 9068 §2.2.1: how and when the user logged in. */
export function loginClaims(): { auth_time?: number; acr?: string; amr?: string[] } {
  const { authTime, acr, amr } = loginOf() ?? {};
  return { ...(authTime && { auth_time: authTime }), ...(acr && { acr }), ...(amr?.length && { amr }) };
}

/**
 * The Api's scopes of a token with those that the user granted about themself (`openid`, `profile`, …), so that one token
 * opens both the Api and userinfo, as apps with an audience expect.
 */
export function withIdentityScopes(scope: string | undefined): string | undefined {
  const { entities, params } = Provider.ctx?.oidc ?? {};
  const asked = params?.scope ? scopeWords(params.scope) : [...(loginOf()?.scopes ?? [])];
  const identity = scopeWords(entities?.Grant?.getOIDCScopeFiltered(new Set(asked)));
  const granted = identity.filter((name) => name !== 'offline_access');
  return [...new Set([...granted, ...scopeWords(scope)])].join(' ') || undefined;
}
