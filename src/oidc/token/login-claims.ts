/** What an access token for an Api says about the login that it came from, as far as the engine does not say it. */
import { scopeWords } from '../../kernel/text.ts';

/** The engine's names for it, as its codes and refresh tokens carry them. */
export type Login = { authTime?: number; acr?: string; amr?: string[] };

/** RFC 9068 §2.2.1: how and when the user logged in. */
export function loginClaims({ authTime, acr, amr }: Login = {}): { auth_time?: number; acr?: string; amr?: string[] } {
  return { ...(authTime && { auth_time: authTime }), ...(acr && { acr }), ...(amr?.length && { amr }) };
}

/**
 * The Api's scopes of a token with those that the user granted about themself (`openid`, `profile`, …), so that one token
 * opens both the Api and userinfo, as apps with an audience expect.
 */
export function withIdentityScopes(scope: string | undefined, granted: string | undefined): string | undefined {
  const identity = scopeWords(granted).filter((name) => name !== 'offline_access');
  return [...new Set([...identity, ...scopeWords(scope)])].join(' ') || undefined;
}
