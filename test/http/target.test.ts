/** The target of a request is a path of the host that it came to, or is refused, before anybody reads it (RFC 9112 §3.2). */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { epochSeconds } from '../kit/clock.ts';
import { authorizeUrl, type ClientKey, clientKey, credentialsOf, prover, requestOf, world } from '../kit/index.ts';
import { raw } from '../kit/raw.ts';

const w = await world();
const t = await w.tenant();
const other = await w.tenant('Other');
const { host } = new URL(t.origin);
const EVIL = 'http://evil.example';

const form = (fields: Record<string, string>, more: string[] = []) => {
  const body = new URLSearchParams(fields).toString();
  const head = ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${body.length}`, ...more];
  return { head, body };
};
async function post(target: string, fields: Record<string, string>, more: string[] = []) {
  const { head, body } = form(fields, more);
  const { status, text } = await raw(w, { head: [`POST ${target} HTTP/1.1`, ...head], host, body });
  return { status, text };
}
const get = (target: string, more: string[] = []) => raw(w, { head: [`GET ${target} HTTP/1.1`, ...more], host });

test('nothing that can be asked for ends the server', async () => {
  const targets = [
    ...['http://', 'http://?x', 'http://[::1/x', `${EVIL}:99999/x`, 'https://', `http://${host}@evil.example/`],
    ...['*', '//', '///', '//?x', '//[', '//evil.example/x', '/\\evil.example', '/%', '/%zz?lang=es', '/?%', 'x', '?x'],
    ...['ftp://x/', 'javascript:alert(1)', `http://${host}//evil.example/`, `http://${host}?x`, `http://${host}:1/`],
  ];
  for (const accept of ['text/html', 'application/json'])
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS'])
      for (const target of targets) {
        const { status, text } = await raw(w, { head: [`${method} ${target} HTTP/1.1`, `Accept: ${accept}`], host });
        assert.ok(status < 500, `${method} ${target}: ${text.slice(0, 200)}`);
        assert.ok(!/(?:href|action)="(?:\/[/\\]|[^"]*evil)/.test(text), `${method} ${target} leads away`);
        assert.ok(!/^location:/im.test(text) || /^location: \/(?![/\\])/im.test(text), `${method} ${target}`);
      }
  assert.equal((await get('/healthz')).status, 200);
});

test('a path that there cannot be is a page that says so, as any other that there is not', async () => {
  for (const target of ['//', '//evil.example/x', '/\\evil.example', '/no/such/page']) {
    const page = await get(target, ['Accept: text/html']);
    assert.equal(page.status, 404, target);
    assert.match(page.text, /<h1>This page does not exist<\/h1>/, target);
    const { status, text } = await get(target, ['Accept: application/json']);
    assert.equal(status, 404, target);
    assert.match(text, /"code":"not_found"/, target);
  }
});

test('a whole address is the path in it where it names the host, and is refused where it names another', async () => {
  for (const target of [
    `http://${host}/version`,
    `HTTP://${host.toUpperCase()}/version`,
    `https://${host}/version?x=1`,
  ])
    assert.equal((await get(target)).status, 200, target);
  for (const target of [
    `${EVIL}/version`,
    `http://${new URL(other.origin).host}/version`,
    `http://${host}1/version`,
    '*',
  ]) {
    const { status, text } = await get(target, ['Accept: application/json']);
    assert.equal(status, 400, target);
    assert.match(text, /request target/);
  }
});

test('what the engine says about itself is the tenant’s, whatever address was asked for', async () => {
  const { text } = await get(`http://${host}/.well-known/openid-configuration`);
  assert.ok(text.includes(`"${t.origin}/oauth/token"`));
  assert.equal((await get(`${EVIL}/.well-known/openid-configuration`)).status, 400);
});

const assertion = (key: ClientKey, client: { client_id: string }, aud: string) => {
  const now = epochSeconds();
  return new SignJWT({ iss: client.client_id, sub: client.client_id, aud, jti: randomUUID(), iat: now, exp: now + 60 })
    .setProtectedHeader({ alg: key.alg, kid: key.kid })
    .sign(key.privateKey);
};

test('an assertion is for the issuer or an endpoint of it, and for no other server', async () => {
  const key = await clientKey();
  const client = await t.client({
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: key.jwks,
  });
  const ask = async (target: string, aud: string) =>
    post(target, {
      grant_type: 'client_credentials',
      client_id: client.client_id,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(key, client, aud),
    });
  for (const aud of [t.origin, `${t.origin}/oauth/token`]) {
    const { status, text } = await ask('/oauth/token', aud);
    assert.equal(status, 200, `${aud}: ${text}`);
  }
  assert.equal((await ask(`${EVIL}/oauth/token`, `${EVIL}/oauth/token`)).status, 400);
  const { hostname, port } = new URL(t.origin);
  for (const aud of [
    ...[`${EVIL}/oauth/token`, other.origin, `${other.origin}/oauth/token`, `${t.origin}:1`, 'oauth/token'],
    ...[`http://${hostname}:${Number(port) + 1}/oauth/token`, `${t.origin}/oauth/tokens`, `${t.origin}//oauth/token`],
  ]) {
    const { status, text } = await ask(`http://${host}/oauth/token`, aud);
    assert.equal(status, 401, `${aud}: ${text}`);
  }
});

test('a proof of possession for another host is worth nothing, however the host is named', async () => {
  const client = await t.client();
  const { prove } = await prover();
  const ask = async (target: string, htu: string) =>
    post(target, { grant_type: 'client_credentials', ...credentialsOf(client) }, [`DPoP: ${await prove('POST', htu)}`]);
  assert.equal((await ask(`http://${host}/oauth/token`, `${t.origin}/oauth/token`)).status, 200);
  assert.equal((await ask(`${EVIL}/oauth/token`, `${EVIL}/oauth/token`)).status, 400);
  assert.equal((await ask('/oauth/token', `${EVIL}/oauth/token`)).status, 400);
});

/* ——— what is no request, and too much of one ——— */

test('malformed HTTP is answered in our form, as JSON or as a page, by what its bytes say of who sent it', async () => {
  const long = 'x'.repeat(20_000);
  const rows: [head: string[], status: number, code: string][] = [
    [['NONSENSE'], 400, 'invalid_request'],
    [['GET / HTTP/9.9'], 400, 'invalid_request'],
    [['GET /version HTTP/1.1', 'no colon'], 400, 'invalid_request'],
    [['GET /version HTTP/1.1', 'Bad Header: x'], 400, 'invalid_request'],
    [['POST /oauth/token HTTP/1.1', 'Content-Length: 1', 'Content-Length: 2'], 400, 'invalid_request'],
    [['POST /oauth/token HTTP/1.1', 'Content-Length: x'], 400, 'invalid_request'],
    [['POST /user/import HTTP/1.1', 'Transfer-Encoding: chunked', 'Content-Length: 1'], 400, 'invalid_request'],
    [['CONNECT evil.example:443 HTTP/1.1'], 400, 'invalid_request'],
    [[`GET /version?${long} HTTP/1.1`], 414, 'uri_too_long'],
    [['GET /version HTTP/1.1', `X-Long: ${long}`], 431, 'headers_too_large'],
    [['GET /version HTTP/1.1', `Cookie: ${long}`], 431, 'headers_too_large'],
    [['GET /nothing HTTP/1.1', 'Host: other.example'], 400, 'invalid_request'],
  ];
  for (const [head, status, code] of rows) {
    const [line, ...more] = head as [string, ...string[]];
    const json = await raw(w, { head: [line, 'Accept: application/json', ...more], host });
    assert.equal(json.status, status, `${line.slice(0, 60)}: ${json.text.slice(0, 200)}`);
    const [headers, body] = json.text.split('\r\n\r\n') as [string, string];
    assert.match(headers, /^content-type: application\/json/im);
    assert.match(headers, /^connection: close/im);
    assert.equal(JSON.parse(body).code, code);
    assert.equal(JSON.parse(body).statusCode, status);
    assert.doesNotMatch(json.text, /Client Error|HPE_|other\.example/);
    if (!line.startsWith('GET')) continue;
    const page = await raw(w, { head: [line, 'Accept: text/html', 'Accept-Language: es', ...more], host });
    assert.equal(page.status, status, line.slice(0, 60));
    assert.match(page.text, /<html lang="es"/);
    assert.match(page.text, /^content-security-policy:/im);
  }
  // Without a host there is nobody to ask; an expectation that is not known may be passed over (RFC 9110 §10.1.1).
  for (const unnamed of [undefined, '']) {
    const { status, text } = await raw(w, { head: ['GET /nothing HTTP/1.1'], host: unnamed });
    assert.deepEqual([status, /"code":"invalid_request"/.test(text)], [400, true]);
  }
  assert.equal((await get('/version', ['Expect: wonders'])).status, 200);
  assert.equal((await get('/version')).status, 200);
});

test('what is malformed behind a request on its connection is no answer to that', async () => {
  for (const path of ['/.well-known/openid-configuration', '/version']) {
    const { status, text } = await raw(w, { head: [`GET ${path} HTTP/1.1`, `Host: ${host}`, '', 'NONSENSE'], host });
    assert.equal(status, 200, path);
    assert.doesNotMatch(text, /malformed/);
  }
});

test('an authorization request is too long at one length, however it comes', async () => {
  const client = await t.client();
  const { parameters } = requestOf(client);
  const ask = (state: string) => {
    const fields = { ...parameters, state };
    const address = authorizeUrl(t, fields).slice(t.origin.length);
    return Promise.all([get(address, ['Accept: text/html']), post('/authorize', fields, ['Accept: text/html'])]);
  };
  const room = 8000 - new URLSearchParams({ ...parameters, state: '' }).toString().length;
  for (const [length, statuses] of [
    [room, [303, 303]],
    [room + 1, [414, 413]],
  ] as const) {
    const answers = await ask('s'.repeat(length));
    assert.deepEqual(
      answers.map(({ status }) => status),
      statuses,
    );
    if (length > room) for (const { text } of answers) assert.match(text, /<html/);
  }
});
