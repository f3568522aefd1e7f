/** The session cookie of a server that people reach over TLS. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follow, formOf, REDIRECT, world } from '../../kit/index.ts';

const w = await world({ env: { PUBLIC_SCHEME: 'https', PUBLIC_PORT: '443' } });

test('over TLS it goes along into frames, is closed to scripts, and ends with the session', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await t.client()];
  const cookies = new Map<string, string>();
  let set = '';
  const visit = async (url: string, init: { form?: Record<string, string> } = {}) => {
    // The proxy that would take the TLS off.
    const answer = await w.send(url.replace(/^https:\/\/([^/:]+)/, `http://$1:${w.port}`), {
      ...(init.form && { method: 'POST', form: init.form }),
      headers: { accept: 'text/html', cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';', 1)[0]!.split(/=(.*)/s) as [string, string];
      cookies.set(name, value);
      if (name === 'cardea_sess') set = line;
    }
    const location = answer.headers.get('location');
    return { ...answer, url, location: location ? new URL(location, url).href : null };
  };
  const { body } = await w.send(`${t.origin}/.well-known/openid-configuration`);
  const query = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: REDIRECT,
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  });
  const page = await follow(visit, await visit(`${body.authorization_endpoint}?${query}`), REDIRECT);
  const { action, csrf } = formOf(page);
  const end = await follow(
    visit,
    await visit(action, { form: { csrf, email: user.email, password: user.password } }),
    REDIRECT,
  );
  assert.ok(new URL(end.location!).searchParams.get('code'));
  assert.match(set, /; samesite=none/i);
  assert.match(set, /; secure/i);
  assert.match(set, /; httponly/i);
  const lasts = Date.parse(/expires=([^;]+)/i.exec(set)![1]!) - Date.now();
  const idle = (await t.api('GET', `/account/${t.id}`)).session_settings.idle_lifetime * 1000;
  assert.ok(Math.abs(lasts - idle) < 10_000, set);
});
