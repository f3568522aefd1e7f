/** Auth.js, the engine of next-auth and its siblings, with its own sign-in page. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Auth, type AuthConfig } from '@auth/core';
import { typeLogin } from '../kit/browser.ts';
import { listen, world } from '../kit/index.ts';
import { requestLog, shown, suite } from './kit.ts';

const log = requestLog();
const w = await world({ log: log.lines });
const t = await w.tenant();
const user = await t.user();
const site = await listen();
const client = await t.client({ callbacks: [`${site.origin}/auth/callback/cardea`] });

const config: AuthConfig = {
  basePath: '/auth',
  secret: 'seals the cookies of the app, long enough',
  trustHost: true,
  providers: [
    {
      id: 'cardea',
      name: 'Cardea',
      type: 'oidc',
      issuer: t.origin,
      clientId: client.client_id,
      clientSecret: client.client_secret,
      checks: ['pkce', 'state', 'nonce'],
      // The profile comes from userinfo instead of the ID token, which is checked all the same.
      idToken: false,
    },
  ],
};

/** What next-auth and the other frameworks' packages do: the server's request and answer as the platform's. */
async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = request.method === 'POST' ? await text(request) : undefined;
  const headers = request.headers as Record<string, string>;
  const answer = await Auth(new Request(site.origin + request.url, { method: request.method, headers, body }), config);
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value);
  response.setHeader('set-cookie', answer.headers.getSetCookie());
  response.writeHead(answer.status).end(await answer.text());
}
site.serve((request, response) => void handle(request, response));

suite('@auth/core', {
  async login(page) {
    await page.goto(`${site.origin}/auth/signin?callbackUrl=${encodeURIComponent(`${site.origin}/auth/session`)}`);
    await page.getByRole('button', { name: 'Sign in with Cardea' }).click();
    await typeLogin(page, user);
    await page.waitForURL(`${site.origin}/auth/session`);
    const session = await shown(page);
    assert.equal(session.user.name, 'Ada Lovelace');
  },

  async userinfo(page) {
    const session = await shown(page);
    assert.equal(session.user.email, user.email);
    assert.ok(log.saw('/userinfo'));
  },
});
