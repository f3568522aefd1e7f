/** Passwords that others have lost: the list that comes along, and a service that is asked besides. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { dictionary } from '@zxcvbn-ts/language-common';
import { isBreached, useBreachedRange } from '../../../src/domain/user/breached-password.ts';

test('of the list of leaked passwords every one is known, and of others hardly any', async () => {
  const leaked = dictionary['passwords-common'] as readonly string[];
  assert.ok(leaked.length > 40_000);
  for (const password of leaked.filter((_, n) => n % 7 === 0)) assert.ok(await isBreached(password), password);
  const others = Array.from({ length: 5_000 }, (_, n) => `no-${n}-such-password`);
  const mistaken = await Promise.all(others.map(isBreached));
  assert.ok(mistaken.filter(Boolean).length < 2);
});

test('a service of leaked passwords is told five digits of a hash, and one that is away keeps nobody out', async () => {
  const hash = createHash('sha1').update('Horse-battery-7').digest('hex').toUpperCase();
  const padded = createHash('sha1').update('Horse-battery-8').digest('hex').toUpperCase();
  const asked: string[] = [];
  let away: unknown;
  const service = {
    url: 'https://leaked.example/range/',
    async ask(address: string) {
      asked.push(address);
      return `${'0'.repeat(35)}:3\r\n${padded.slice(5)}:0\r\n${hash.slice(5)}:17`;
    },
    onError: (error: unknown) => {
      away = error;
    },
  };
  useBreachedRange(service);
  try {
    assert.deepEqual([await isBreached('Horse-battery-7'), await isBreached('Horse-battery-8')], [true, false]);
    assert.deepEqual(asked, [`${service.url}${hash.slice(0, 5)}`, `${service.url}${padded.slice(0, 5)}`]);
    assert.ok(await isBreached('123456'), 'what is known here is asked of nobody');
    assert.equal(asked.length, 2);
    useBreachedRange({ ...service, ask: () => Promise.reject(new Error('away')) });
    assert.equal(await isBreached('Horse-battery-7'), false);
    assert.match(String(away), /away/);
  } finally {
    useBreachedRange(undefined);
  }
});
