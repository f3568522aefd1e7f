/** Requests that depend on each other, as a browser and its relying party make them: by hand, over kept connections. */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { Agent, request } from 'node:http';

/** What both sides tell about themselves; the same walks then work on either. */
export type Target = {
  origin: string;
  paths: {
    authorization: string;
    token: string;
    userinfo: string;
    jwks: string;
    introspection: string;
    device: string;
    /** Below a login page's address: logs the one user in without asking for a password. */
    login: string;
  };
  /** What the one calls `resource`. */
  audienceParameter: 'audience' | 'resource';
  machine: { client_id: string; client_secret: string; audience: string };
  web: { client_id: string; client_secret: string; redirect_uri: string };
  /** What the one has to be asked for to answer with signed access tokens, as the other always does. */
  signed: Record<string, string>;
};

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; body: string };
export type Call = (
  path: string,
  init?: { form?: Record<string, string>; cookie?: string; host?: string },
) => Promise<Answer>;

/** @param connections at most so many at a time. */
export function caller(origin: string, connections: number): { call: Call; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  // Both listen on the loopback address; the name is for the Host header.
  const { host, port } = new URL(origin);
  const call: Call = (path, { form, cookie, host: other } = {}) =>
    new Promise((resolve, reject) => {
      const body = form && new URLSearchParams(form).toString();
      const outgoing = request(
        {
          agent,
          host: '127.0.0.1',
          port,
          path,
          method: form ? 'POST' : 'GET',
          headers: {
            host: other ?? host,
            // From somewhere else each time: one address may not begin so many logins.
            'x-forwarded-for': `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`,
            ...(cookie && { cookie }),
            ...(body !== undefined && {
              'content-type': 'application/x-www-form-urlencoded',
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
          );
          response.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  return { call, close: () => agent.destroy() };
}

const expect = (answer: Answer, status: number, what: string): Answer => {
  if (answer.status !== status) throw new Error(`${what}: ${answer.status} ${answer.body.slice(0, 300)}`);
  return answer;
};

export type Tokens = { access_token: string; refresh_token: string };

/** A whole login: request, page, answer, code, tokens. */
export async function logIn(
  call: Call,
  { origin, paths, web }: Target,
  more: Record<string, string> = {},
): Promise<Tokens> {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: web.client_id,
    redirect_uri: web.redirect_uri,
    response_type: 'code',
    scope: 'openid profile email offline_access',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  });
  const cookies = new Map<string, string>();
  const step = async (path: string, form?: Record<string, string>): Promise<string> => {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const answer = await call(path, { form, cookie });
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value) cookies.set(name, value);
    }
    const { location } = expect(answer, 303, path).headers as { location: string };
    return location.startsWith(origin) ? location.slice(origin.length) : location;
  };
  const page = await step(`${paths.authorization}?${query}`);
  expect(await call(page, { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') }), 200, page);
  const landed = await step(await step(`${page}${paths.login}`, {}));
  const answer = await call(paths.token, {
    form: {
      ...web,
      grant_type: 'authorization_code',
      code: new URL(landed).searchParams.get('code') ?? '',
      code_verifier: verifier,
    },
  });
  return JSON.parse(expect(answer, 200, 'the code').body) as Tokens;
}

export function machineForm({ audienceParameter }: Target, { audience, ...client }: Target['machine']) {
  const scope = 'read:orders create:orders';
  return { grant_type: 'client_credentials', ...client, [audienceParameter]: audience, scope };
}

/** @param host of one tenant among many. */
export async function machineToken(call: Call, target: Target, client: Target['machine'], host: string): Promise<void> {
  expect(await call(target.paths.token, { form: machineForm(target, client), host }), 200, host);
}

export async function refresh(call: Call, { paths, web }: Target, refresh_token: string): Promise<Tokens> {
  const { client_id, client_secret } = web;
  const form = { client_id, client_secret, grant_type: 'refresh_token', refresh_token };
  return JSON.parse(expect(await call(paths.token, { form }), 200, 'refresh').body) as Tokens;
}

const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';

export async function startDevice(call: Call, { paths, web }: Target): Promise<string> {
  const { client_id, client_secret } = web;
  const answer = await call(paths.device, { form: { client_id, client_secret, scope: 'openid' } });
  return (JSON.parse(expect(answer, 200, 'device').body) as { device_code: string }).device_code;
}

/** A device that asks before anybody has decided: waiting, or told to wait longer (RFC 8628 §3.5). */
export async function pollDevice(call: Call, { paths, web }: Target, device_code: string): Promise<void> {
  const { client_id, client_secret } = web;
  const answer = await call(paths.token, { form: { client_id, client_secret, grant_type, device_code } });
  const { error } = JSON.parse(answer.body) as { error?: string };
  if (error !== 'authorization_pending' && error !== 'slow_down') throw new Error(`poll: ${answer.body}`);
}
