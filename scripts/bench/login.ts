/** Logs the demo user in over HTTP like a browser without scripts would, for an access token to the userinfo endpoint. */
import { createHash, randomBytes } from 'node:crypto';
import type { Demo } from '../../src/seed.ts';

const attribute = (html: string, pattern: RegExp): string =>
  (pattern.exec(html)?.[1] ?? '')
    .replace(/&#x2F;/g, '/')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&');

export async function userToken({ url: origin, user, web_client: client }: Demo): Promise<string> {
  const cookies = new Map<string, string>();
  const verifier = randomBytes(32).toString('base64url');
  const authorize = new URL('/authorize', origin);
  authorize.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: client.redirect_uri,
    response_type: 'code',
    scope: 'openid profile email',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();

  let at = authorize;
  let form: URLSearchParams | undefined;
  for (let step = 0; at.origin === origin; step += 1) {
    const response = await fetch(at, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      body: form,
      headers: { accept: 'text/html', origin, cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    const page = await response.text();
    const location = response.headers.get('location');
    form = undefined;
    if (location) {
      at = new URL(location, at);
      continue;
    }
    const action = attribute(page, /<form[^>]*action="([^"]*)"/);
    if (step > 20 || !action) throw new Error(`the login stopped at ${at}: ${response.status}`);
    at = new URL(action, at);
    form = new URLSearchParams({ csrf: attribute(page, /name="csrf"[^>]*value="([^"]*)"/) });
    if (at.pathname.endsWith('/consent')) form.set('decision', 'allow');
    else for (const [name, value] of Object.entries(user)) form.set(name, value);
  }

  const answer = await fetch(new URL('/oauth/token', origin), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: at.searchParams.get('code') ?? '',
      redirect_uri: client.redirect_uri,
      code_verifier: verifier,
      client_id: client.client_id,
      client_secret: client.client_secret,
    }),
  });
  const { access_token } = (await answer.json()) as { access_token?: string };
  if (!access_token) throw new Error(`the code was not exchanged: ${answer.status}`);
  return access_token;
}
