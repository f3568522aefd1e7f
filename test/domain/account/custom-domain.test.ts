/** Custom domains: what may be claimed, by how many, and how often a check may be asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customDomains } from '../../../src/domain/account/custom-domain.ts';
import { agreed } from '../../kit/contract.ts';
import { assertRefused, world } from '../../kit/index.ts';
import { assertPermissions } from '../../kit/operations.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
let count = 0;
const host = () => `auth${++count}.example.com`;
const claim = (domain: unknown, t = acme) => t.call('POST', '/customdomain', { domain });
const retry = (id: string, t = acme) => t.call('POST', `/customdomain/${id}/retry`);
/** The state that the checks against the DNS lead to. */
const put = (id: string, fields: object) => customDomains.model.updateOne({ _id: id }, { $set: fields });

test('a claimed domain waits with a token of its own, and is listed and deleted', async () => {
  const domain = host();
  const made = agreed('customdomain/create', await claim(domain));
  assert.deepEqual([made.domain, made.status, made.attempts], [domain, 'PENDING', 0]);
  assert.ok(made.token.length >= 32 && Date.parse(made.nextCheck) <= Date.now());
  assert.notEqual((await claim(host())).body.token, made.token);
  for (const search of [`q=${domain.split('.')[0]}`, `query=domain:${domain}`, `query=status:PENDING domain:${domain}`])
    assert.deepEqual(agreed('customdomain/list', await acme.call('GET', `/customdomain?${search}`)).results, [made]);
  assert.deepEqual(agreed('customdomain/get', await acme.call('GET', `/customdomain/${made.id}`)), made);
  assert.deepEqual((await other.api('GET', '/customdomain')).results, []);
  for (const method of ['GET', 'DELETE'])
    assertRefused(await other.call(method, `/customdomain/${made.id}`), 404, 'not_found');
  assertRefused(await retry(made.id, other), 404, 'not_found');
  agreed('customdomain/delete', await acme.call('DELETE', `/customdomain/${made.id}`));
  assertRefused(await acme.call('GET', `/customdomain/${made.id}`), 404, 'not_found');
});

test('a name is kept as the DNS has it', async () => {
  for (const [text, domain] of [
    ['Login.Example.ORG', 'login.example.org'],
    ['login.example.net.', 'login.example.net'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['ａｂｃ.example', 'abc.example'],
  ])
    assert.equal((await claim(text)).body.domain, domain);
  const [found] = (await acme.api('GET', '/customdomain?query=domain:"Bücher.example"')).results;
  assert.equal(found.domain, 'xn--bcher-kva.example');
});

test('what is not a host name that could be its own is refused', async () => {
  const not = [
    '',
    ' ',
    'example',
    '*.example.com',
    'https://example.com',
    'example.com/x',
    'example.com:443',
    'a b.example',
    'a..example.com',
  ];
  const odd = [
    '-a.example.com',
    'a_b.example.com',
    `${'x'.repeat(64)}.example.com`,
    `${'abcdefgh.'.repeat(29)}com`,
    'user@example.com',
  ];
  const addresses = ['127.0.0.1', '127.1', '0x7f000001', '2130706433', '::1', '[::1]', 'a.1'];
  const ours = ['localhost', 'acme.localhost', 'x.y.localhost', `${acme.slug}.LOCALHOST.`];
  for (const domain of [...not, ...odd, ...addresses, ...ours, 7])
    assertRefused(await claim(domain), 400, 'validation', /domain/);
  assertRefused(await acme.call('POST', '/customdomain', {}), 400, 'validation', /domain/);
  assertRefused(
    await acme.call('POST', '/customdomain', { domain: host(), status: 'ACTIVE' }),
    400,
    'validation',
    /status/,
  );
});

test('two accounts may claim a domain; when one serves it the others are refused in words that tell nothing', async () => {
  const domain = host();
  const mine = (await claim(domain)).body;
  assert.equal((await claim(domain, other)).status, 200);
  const again = await claim(domain);
  assertRefused(again, 409, 'conflict', /domain/);

  const served = host();
  const theirs = (await claim(served, other)).body;
  await put(theirs.id, { status: 'ACTIVE' });
  const refused = await claim(served.toUpperCase());
  assertRefused(refused, 409, 'conflict');
  assert.deepEqual(refused.body, again.body, 'exactly what one hears about a domain of one’s own');
  assert.ok(!refused.text.includes(other.id));
  await assert.rejects(async () => {
    await put(mine.id, { domain: served, status: 'ACTIVE' });
  }, /E11000/);
  const all = await Promise.all(Array.from({ length: 5 }, () => claim('race.example.com')));
  assert.deepEqual(all.map(({ status }) => status).toSorted(), [200, 409, 409, 409, 409]);
});

test('a check can be asked for once a minute, of many at once one goes through', async () => {
  const { id } = (await claim(host())).body;
  await put(id, { status: 'FAILED', attempts: 9, nextCheck: new Date(0) });
  const all = await Promise.all(Array.from({ length: 6 }, () => retry(id)));
  assert.deepEqual(all.map(({ status }) => status).toSorted(), [200, 429, 429, 429, 429, 429]);
  const { body } = all.find(({ status }) => status === 200)!;
  assert.deepEqual([body.status, body.attempts], ['VERIFYING', 0]);
  assert.ok(Date.parse(body.nextCheck) > Date.now() - 60_000);
  const refused = all.find(({ status }) => status === 429)!;
  assertRefused(refused, 429, 'too_many_requests');
  const wait = Number(refused.headers.get('retry-after'));
  assert.ok(wait > 50 && wait <= 60, String(wait));
  assert.equal((await retry((await claim(host())).body.id)).status, 200, 'each domain has a minute of its own');
});

test('a check can be asked for in every state but one', async () => {
  for (const [state, after] of [
    ['PENDING', 'VERIFYING'],
    ['VERIFYING', 'VERIFYING'],
    ['FAILED', 'VERIFYING'],
    ['DEGRADED', 'DEGRADED'],
  ]) {
    const { id } = (await claim(host())).body;
    await put(id, { status: state });
    assert.equal((await retry(id)).body.status, after);
  }
  const { id } = (await claim(host())).body;
  await put(id, { status: 'ACTIVE' });
  assertRefused(await retry(id), 409, 'conflict', /verified/);
});

test('each operation needs its permission, and leaves a row in the log', async () => {
  const { id } = (await claim(host())).body;
  await assertPermissions(acme, 'read:users', [
    ['read:customdomains', 'GET', '/customdomain'],
    ['read:customdomains', 'GET', `/customdomain/${id}`],
    ['create:customdomains', 'POST', '/customdomain', { domain: host() }],
    ['update:customdomains', 'POST', `/customdomain/${id}/retry`],
    ['delete:customdomains', 'DELETE', `/customdomain/${id}`],
  ]);
  const types = (await acme.api('GET', '/log?pageSize=20')).results.map(({ type }: { type: string }) => type);
  for (const verb of ['created', 'retried', 'deleted']) assert.ok(types.includes(`admin.customdomain.${verb}`));
});

// Last, since the clock moves.
test('after a minute a check can be asked for again', async () => {
  const { id } = (await claim(host())).body;
  await retry(id);
  w.clock.advance({ seconds: 61 });
  assert.equal((await retry(id)).status, 200);
});
