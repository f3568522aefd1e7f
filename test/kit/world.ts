/**
 * A world to test in: the real engine, the real server on a real port, the operator, and tenants with users, clients and
 * browsers. One world a test file; tests isolate themselves by tenant. Only the clock is fake, and only when moved.
 */
import assert from 'node:assert/strict';
import dns from 'node:dns';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock } from 'node:test';
import type { FastifyInstance } from 'fastify';
import * as oidc from 'openid-client';
import { pino } from 'pino';
import { buildApp } from '../../src/app.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { asRoot } from '../../src/kernel/context.ts';
import { useSecret } from '../../src/kernel/secrets.ts';
import { seedRoot } from '../../src/seed.ts';
import { openStore, type Store } from '../../src/store/connect.ts';
import { migrate } from '../../src/store/migrate.ts';

// Browsers resolve *.localhost to this machine; Node does not everywhere (RFC 6761 §6.3).
const systemLookup = dns.lookup;
Object.defineProperty(dns, 'lookup', {
  value: (hostname: string, ...rest: unknown[]) =>
    (systemLookup as (...args: unknown[]) => void)(hostname.endsWith('.localhost') ? 'localhost' : hostname, ...rest),
});

export type Answer<T = Record<string, never>> = { status: number; headers: Headers; body: T; text: string };
// biome-ignore lint/suspicious/noExplicitAny: answers are inspected field by field, and assertions are the check
type Json = any;

export type User = { id: string; email: string; password: string; credential: string };
export type Client = { client_id: string; client_secret: string; [field: string]: Json };

export type World = Awaited<ReturnType<typeof world>>;
export type TenantHandle = Awaited<ReturnType<World['tenant']>>;

export const SECRET = 'a secret of the tests, long enough to be one';

export type WorldOptions = { env?: Record<string, string>; log?: string[] };

/** Starts a world and ends it after the test file. */
export async function world(options: WorldOptions = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'cardea-test-'));
  const config: Config = readConfig({
    NODE_ENV: 'test',
    PORT: '0',
    DATA_DIR: dataDir,
    MONGODB_URL: process.env.MONGODB_URL,
    ...options.env,
  });
  useSecret(SECRET);
  const log = pino(
    { level: options.log ? 'debug' : 'silent' },
    { write: (line: string) => void options.log?.push(line) },
  );
  const store: Store = await openStore({
    mongodbUrl: config.mongodbUrl,
    dataDir,
    databaseName: config.mongodbUrl ? `cardea-test-${process.pid}-${Date.now()}` : undefined,
    log,
  });
  await migrate(store);
  const operator = { id: 'operator_test', secret: 'the operator of the tests, long enough' };
  const app: FastifyInstance = await buildApp({ config, store, operator, log });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  assert(typeof address === 'object' && address);
  const { port } = address;
  await seedRoot(asRoot(), { demo: false, origin: `http://localhost:${port}`, dataDir });

  const closers: (() => Promise<unknown>)[] = [];
  after(async () => {
    mock.timers.reset();
    for (const close of closers.reverse()) await close();
    await app.close();
    if (config.mongodbUrl) await (await import('mongoose')).default.connection.dropDatabase();
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  const originOf = (slug?: string) => `http://${slug ? `${slug}.` : ''}localhost:${port}`;

  /** Any request, answered whole; redirects are not followed. */
  async function send<T = Json>(
    url: string,
    init: RequestInit & { json?: unknown; form?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const { json, form, ...rest } = init;
    const headers = new Headers(rest.headers);
    let body = rest.body;
    if (json !== undefined) {
      headers.set('content-type', 'application/json');
      body = JSON.stringify(json);
    }
    if (form) body = new URLSearchParams(form);
    const response = await fetch(url, { redirect: 'manual', ...rest, headers, body });
    const text = await response.text();
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = undefined;
    }
    return { status: response.status, headers: response.headers, body: parsed as T, text };
  }

  async function machineToken(
    origin: string,
    client: { client_id: string; client_secret: string },
    audience: string,
    scope?: string,
  ) {
    const answer = await send(`${origin}/oauth/token`, {
      method: 'POST',
      form: {
        grant_type: 'client_credentials',
        client_id: client.client_id,
        client_secret: client.client_secret,
        audience,
        ...(scope !== undefined && { scope }),
      },
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.body.access_token as string;
  }

  const operatorToken = (scope?: string) =>
    machineToken(originOf(), { client_id: operator.id, client_secret: operator.secret }, 'cardea:platform', scope);

  /** A call of the management API with a token. */
  const call = <T = Json>(
    origin: string,
    token: string | undefined,
    method: string,
    path: string,
    json?: unknown,
    headers: Record<string, string> = {},
  ) =>
    send<T>(`${origin}${path}`, {
      method,
      ...(json !== undefined && { json }),
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
    });

  async function tenant(name = 'Acme') {
    const made = await call(originOf(), await operatorToken(), 'POST', '/account', { name, team: 'team_test' });
    assert.equal(made.status, 201, made.text);
    const { id, slug, metadata } = made.body;
    const origin = originOf(slug);
    const admin = metadata.management_client as { client_id: string; client_secret: string };
    const audience = `cardea:management:${id}`;
    const token = (scope?: string) => machineToken(origin, admin, audience, scope);
    const full = await token();
    /** A management call with every permission; asserts success and answers the body. */
    const api = async <T = Json>(method: string, path: string, json?: unknown): Promise<T> => {
      const answer = await call<T>(origin, full, method, path, json);
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.body;
    };
    const account = await api('GET', '/account/current');
    const connection = account.default_connection as string;

    return {
      id: id as string,
      slug: slug as string,
      origin,
      audience,
      admin,
      connection,
      adminToken: full,
      token,
      api,
      /** A management call that may fail. */
      call: <T = Json>(method: string, path: string, json?: unknown, headers?: Record<string, string>) =>
        call<T>(origin, full, method, path, json, headers),
      async user(fields: Record<string, unknown> = {}): Promise<User> {
        const email = (fields.email as string | undefined) ?? `user${Math.random().toString(36).slice(2)}@example.com`;
        const password = 'Correct-horse-1';
        const user = await api('POST', '/user', { name: 'Ada Lovelace', ...fields, email });
        const credential = await api('POST', '/credentials', { user: user.id, connection, email, password });
        return { id: user.id, email, password, credential: credential.id };
      },
      /** A confidential web client unless the fields say otherwise. */
      client: (fields: Record<string, unknown> = {}): Promise<Client> =>
        api('POST', '/client', { name: 'Orders', callbacks: [REDIRECT], ...fields }),
      machineToken: (client: { client_id: string; client_secret: string }, to: string, scope?: string) =>
        machineToken(origin, client, to, scope),
      /** The tenant as openid-client discovers it. */
      discover: (client: { client_id: string; client_secret?: string }) =>
        oidc.discovery(new URL(origin), client.client_id, client.client_secret, undefined, {
          execute: [oidc.allowInsecureRequests],
        }),
    };
  }

  return {
    app,
    config,
    store,
    operator,
    port,
    originOf,
    send,
    call,
    operatorToken,
    machineToken,
    tenant,
    closers,
    /** Sends what is due in the outbox, and is done when that is settled. */
    deliver: () => app.outbox.run(),
    clock: {
      /** Moves the process's Date ahead; timers stay real. */
      advance({ seconds }: { seconds: number }) {
        if (!clockMoved) mock.timers.enable({ apis: ['Date'], now: Date.now() });
        clockMoved = true;
        mock.timers.setTime(Date.now() + seconds * 1000);
      },
    },
  };
}

let clockMoved = false;

/** Where test clients are sent back to; nothing listens there, browsers are stopped at the door. */
export const REDIRECT = 'http://127.0.0.1:9/callback';

/** A logged-in browser without a browser: follows redirects with a cookie jar, as far as our own pages go. */
export function agent() {
  const jars = new Map<string, Map<string, { value: string; path: string }>>();
  return async function visit(url: string, init: RequestInit & { form?: Record<string, string> } = {}) {
    const { form, ...rest } = init;
    const target = new URL(url);
    const jar = jars.get(target.host) ?? new Map();
    jars.set(target.host, jar);
    const headers = new Headers(rest.headers);
    headers.set('accept', headers.get('accept') ?? 'text/html');
    const cookies = [...jar]
      .filter(([, { path }]) => target.pathname.startsWith(path))
      .map(([name, { value }]) => `${name.split(' ')[0]}=${value}`);
    if (cookies.length) headers.set('cookie', cookies.join('; '));
    const response = await fetch(url, {
      redirect: 'manual',
      ...rest,
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
      headers,
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/;\s*/);
      const [name, value = ''] = pair!.split(/=(.*)/s) as [string, string];
      const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? '/';
      if (value === '' || attributes.some((attribute) => /^expires=.*1970/i.test(attribute)))
        jar.delete(`${name} ${path}`);
      else jar.set(`${name} ${path}`, { value, path });
    }
    const text = await response.text();
    const location = response.headers.get('location');
    return {
      status: response.status,
      headers: response.headers,
      text,
      url,
      location: location ? new URL(location, url).href : null,
    };
  };
}
export type Agent = ReturnType<typeof agent>;

/** Follows redirects until a page is shown or an address outside the origin is reached. */
export async function follow(visit: Agent, start: Awaited<ReturnType<Agent>>, stop: string) {
  let at = start;
  for (let hop = 0; at.location && !at.location.startsWith(stop) && hop < 10; hop += 1) at = await visit(at.location);
  return at;
}

const field = (html: string, name: string) => new RegExp(`name="${name}"[^>]*value="([^"]*)"`).exec(html)?.[1] ?? '';
const decodeEntities = (text: string) =>
  text
    .replace(/&#x2F;/g, '/')
    .replace(/&#39;/g, "'")
    .replace(/&quot;/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');

/** The first form of one of our pages, ready to be posted. */
export function formOf(page: { text: string; url: string }) {
  const action = /<form[^>]*action="([^"]*)"/.exec(page.text)?.[1];
  assert(action, `no form on ${page.url}: ${page.text.slice(0, 300)}`);
  return { action: new URL(decodeEntities(action), page.url).href, csrf: decodeEntities(field(page.text, 'csrf')) };
}

/**
 * Logs a user in at an authorization URL without a browser and answers where the browser would end up: the client's
 * redirect with the code.
 */
export async function signIn(
  visit: Agent,
  authorizeUrl: string,
  user: { email: string; password: string },
  redirect = REDIRECT,
): Promise<URL> {
  let at = await follow(visit, await visit(authorizeUrl), redirect);
  for (let step = 0; step < 4 && !at.location?.startsWith(redirect); step += 1) {
    const { action, csrf } = formOf(at);
    const form: Record<string, string> = action.includes('/consent')
      ? { csrf, decision: 'allow' }
      : { csrf, email: user.email, password: user.password };
    at = await follow(visit, await visit(action, { form, headers: { origin: new URL(action).origin } }), redirect);
  }
  assert(at.location, `the login did not end: ${at.status} ${at.text.slice(0, 500)}`);
  return new URL(at.location);
}

/** A refusal of the management API, in its own format. */
export function assertRefused(answer: Answer<unknown>, status: number, code: string, message = /./): void {
  const body = answer.body as { statusCode?: number; code?: string; message?: string } | undefined;
  assert.deepEqual([answer.status, body?.code, body?.statusCode], [status, code, status], answer.text.slice(0, 500));
  assert.match(body?.message ?? '', message);
}

/** A user's tokens from the code flow, and the browser that got them. */
export async function tokensOf(
  t: TenantHandle,
  client: Client,
  user: { email: string; password: string },
  parameters: Record<string, string> = {},
  visit = agent(),
) {
  const config = await t.discover(client);
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...parameters,
  });
  const landed = await signIn(visit, url.href, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier });
  return { tokens, config, visit };
}
