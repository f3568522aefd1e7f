/** A tenant as its administrator has it: management calls with a token that is never old, users, clients, an API. */
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { REDIRECT } from './agent.ts';
import { epochSeconds } from './clock.ts';
import { type Answer, call, type Form, type Json, send } from './http.ts';

export type User = { id: string; email: string; password: string; credential: string };
export type Client = { client_id: string; client_secret: string; [field: string]: Json };
type Secrets = { client_id: string; client_secret: string };

export type TenantHandle = Awaited<ReturnType<typeof tenantHandle>>;

/** What a client without callbacks has unless it says otherwise. */
export const GRANTS = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
  'http://auth0.com/oauth/grant-type/passwordless/otp',
  'urn:ietf:params:oauth:grant-type:token-exchange',
];

/** Of a client without a secret. */
export const GRANTS_OF_PUBLIC = GRANTS.filter((type) => type !== 'client_credentials');

/** A token by client_credentials. */
export async function machineToken(origin: string, client: Secrets, audience: string, scope?: string): Promise<string> {
  const { client_id, client_secret } = client;
  const form: Form = { grant_type: 'client_credentials', client_id, client_secret, audience };
  const answer = await send(`${origin}/oauth/token`, {
    method: 'POST',
    form: { ...form, ...(scope !== undefined && { scope }) },
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.body.access_token;
}

/** A token that is asked for when it is needed, again when the clock has moved past its end, and whenever somebody says so. */
export function liveToken(ask: () => Promise<string>) {
  let held: string | undefined;
  const renew = async (): Promise<string> => {
    held = await ask();
    return held;
  };
  const live = async (): Promise<string> => (held && decodeJwt(held).exp! > epochSeconds() + 60 ? held : renew());
  return { live, renew };
}

/** @param account as the platform's API answered when it made the account */
export async function tenantHandle(account: Json, origin: string) {
  const { id, slug } = account as { id: string; slug: string };
  const admin = account.metadata.management_client as Secrets;
  const audience = `cardea:management:${id}`;
  const token = (scope?: string) => machineToken(origin, admin, audience, scope);
  const held = liveToken(token);
  const tried = async <T = Json>(
    method: string,
    path: string,
    json?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>> => call<T>(origin, await held.live(), method, path, json, headers);
  const api = async <T = Json>(method: string, path: string, json?: unknown): Promise<T> => {
    const answer = await tried<T>(method, path, json);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  const connection = account.default_connection as string;

  return {
    id,
    slug,
    origin,
    audience,
    admin,
    connection,
    /** The administrator's first token, for what is sent by hand; it ends as any does. */
    adminToken: await held.live(),
    /** Another token of the administrator. */
    token,
    /** Another token for the calls below: for who revokes the key that signed the last one. */
    renew: held.renew,
    /** A management call with every permission; asserts success and answers the body. */
    api,
    /** A management call with every permission that may fail. */
    call: tried,
    async user(fields: Record<string, unknown> = {}): Promise<User> {
      const email = (fields.email as string | undefined) ?? `user${Math.random().toString(36).slice(2)}@example.com`;
      const password = 'Correct-horse-1';
      const user = await api('POST', '/user', { name: 'Ada Lovelace', ...fields, email });
      const credential = await api('POST', '/credentials', { user: user.id, connection, email, password });
      return { id: user.id, email, password, credential: credential.id };
    },
    /** A confidential web client, which is a machine too, unless the fields say otherwise. */
    client: (fields: Record<string, unknown> = {}): Promise<Client> =>
      api('POST', '/client', {
        name: 'Orders',
        callbacks: [REDIRECT],
        grant_types: fields.token_endpoint_auth_method === 'none' ? GRANTS_OF_PUBLIC : GRANTS,
        ...fields,
      }),
    /** What lets a client have the management API, all of it unless some permissions are named. */
    async managementGrants(scope?: string[]) {
      const [management] = (await api('GET', '/api?query=slug:management-api')).results;
      return [{ api: management.id, scope: scope ?? management.permissions.map(({ value }: Json) => value) }];
    },
    machineToken: (client: Secrets, to: string, scope?: string) => machineToken(origin, client, to, scope),
    /** The tenant as openid-client discovers it. */
    discover: (client: { client_id: string; client_secret?: string }) =>
      oidc.discovery(new URL(origin), client.client_id, client.client_secret, undefined, {
        execute: [oidc.allowInsecureRequests],
      }),
  };
}

export const ORDERS = 'https://orders.example.com';

/** The API that the tests' clients are for. */
export const ordersApi = (t: TenantHandle, fields: Record<string, unknown> = {}) =>
  t.api('POST', '/api', {
    name: 'Orders API',
    identifier: ORDERS,
    permissions: [
      { value: 'read:orders', description: 'See your orders' },
      { value: 'create:orders', description: 'Place orders for you' },
    ],
    ...fields,
  });

export const oauthSettings = (t: TenantHandle, oauth_settings: Record<string, unknown>) =>
  t.api('POST', `/account/${t.id}`, { oauth_settings });

/** Rows of the tenant's trail of one type, the newest first. */
export const logged = async (t: TenantHandle, type: string): Promise<Json[]> =>
  (await t.api('GET', `/log?query=type:${type}`)).results;
