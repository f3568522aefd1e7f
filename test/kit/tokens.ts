/** The life of a token at the endpoints that know it: asked for, redeemed, refreshed, used, introspected, revoked. */
import { REDIRECT } from './agent.ts';
import { bearer, type Form, send } from './http.ts';
import type { Client } from './tenant.ts';

type At = { origin: string };

/** How a client says who it is in a form: by its secret, unless it is public. */
export const credentialsOf = (client: Client): Form => ({
  client_id: client.client_id,
  ...(client.token_endpoint_auth_method !== 'none' && { client_secret: client.client_secret }),
});

/** A form as it is, to one of the tenant's addresses. */
export const post = (t: At, path: string, form: Form, headers: Record<string, string> = {}) =>
  send(`${t.origin}${path}`, { method: 'POST', form, headers });

export const tokenRequest = (t: At, client: Client, form: Form, headers = {}) =>
  post(t, '/oauth/token', { ...credentialsOf(client), ...form }, headers);

export const redeem = (
  t: At,
  client: Client,
  { code, verifier }: { code: string; verifier: string },
  form: Form = {},
  headers = {},
) =>
  tokenRequest(
    t,
    client,
    { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT, ...form },
    headers,
  );

export const refresh = (t: At, client: Client, refresh_token: string, form: Form = {}, headers = {}) =>
  tokenRequest(t, client, { grant_type: 'refresh_token', refresh_token, ...form }, headers);

/** RFC 6749 §4.3. */
export const passwordGrant = (t: At, client: Client, user: { email: string; password: string }, form: Form = {}) =>
  tokenRequest(t, client, { grant_type: 'password', username: user.email, password: user.password, ...form });

export const userinfo = (t: At, token: string, method = 'GET') =>
  send(`${t.origin}/userinfo`, { method, headers: bearer(token) });

/** RFC 7662. */
export const introspect = (t: At, client: Client, token: string) =>
  post(t, '/oauth/introspect', { ...credentialsOf(client), token });

/** RFC 7009. */
export const revoke = (t: At, client: Client, token: string) =>
  post(t, '/oauth/revoke', { ...credentialsOf(client), token });
