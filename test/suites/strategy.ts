/**
 * What every type of connection has to be, and what each capability has to answer, whichever type has it. A capability
 * that is added is checked here too: the table does not compile without it.
 */
import assert from 'node:assert/strict';
import { createHash, pbkdf2Sync, scryptSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { hash as argon2 } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import mongoose from 'mongoose';
import type { ConnectionType } from '../../src/connections/registry.ts';
import type { Capabilities, Capability, Strategy } from '../../src/connections/strategy.ts';
import { hashingTally, hashPassword, useHashing } from '../../src/kernel/secret/password.ts';
import type { TenantHandle, World } from '../kit/index.ts';

type Check<C extends Capability> = (w: World, capability: Capabilities[C], type: ConnectionType) => Promise<void>;

const CAPABILITIES: { [C in Capability]: Check<C> } = {
  checkPassword: checksPasswords,
  verifyToken: verifiesTokens,
  sendsCodes: async (w, capability, type) => {
    assert.equal(capability, true);
    const t = await w.tenant();
    await make(t, type);
    assert.equal(await start(w, t), 200);
  },
};

export function strategySuite(w: World, strategy: Strategy & { type: ConnectionType }): void {
  const { type, settings, secrets, mark } = strategy;
  const names = Object.keys(settings.properties);
  const given = Object.fromEntries(
    Object.entries(settings.properties).map(([name, schema]) => [
      name,
      'pattern' in schema ? 'https://idp.example.com/x' : `value of ${name}`,
    ]),
  );

  describe(`a connection of the type ${type}`, () => {
    test('its record is complete', () => {
      assert.match(type, /^[a-z][a-z0-9_]*$/);
      assert.match(strategy.title, /^\p{Lu}/u);
      assert.equal(
        (settings as { additionalProperties?: unknown }).additionalProperties,
        false,
        'its settings are these and no others',
      );
      assert.ok(
        secrets.every((name) => names.includes(name)),
        'a secret is one of the settings',
      );
      if (mark) assert.ok(readFileSync('views/partials/mark.eta', 'utf8').includes(`'${mark}'`), 'its mark is drawn');
      const record = ['type', 'title', 'mark', 'settings', 'secrets', 'hasDefaultCredentials'];
      const known = [...record, ...Object.keys(CAPABILITIES)];
      assert.deepEqual(
        Object.keys(strategy).filter((name) => !known.includes(name)),
        [],
      );
    });

    test('takes its settings and answers them, seals its secrets, and knows when it has no credentials', async () => {
      const t = await w.tenant();
      const made = await make(t, type, given);
      for (const name of names) assert.equal(made[name], given[name], name);
      assert.equal(made.is_using_default_credentials, false, 'it has some of its own, or none are needed');
      const masked = await w.call(t.origin, await t.token('read:connections'), 'GET', `/connection/${made.id}`);
      const stored = JSON.stringify(await mongoose.connection.db!.collection('connections').findOne({ _id: made.id }));
      for (const name of secrets) {
        assert.equal(masked.body[name], '********', `${name} is masked`);
        assert.ok(!stored.includes(given[name]!), `${name} is sealed`);
      }
      const nulls = Object.fromEntries(names.map((name) => [name, null]));
      const cleared = await t.api('POST', `/connection/${made.id}`, nulls);
      for (const name of names) assert.equal(cleared[name], null, name);
      assert.equal(cleared.is_using_default_credentials, strategy.hasDefaultCredentials ?? false);
    });

    test('does what it can, and is not asked for what it cannot', async () => {
      const t = await w.tenant();
      const { id } = await make(t, type);
      const user = await t.user();
      const email = `${Math.random()}@example.com`;
      const login = { user: user.id, connection: id, email, password: 'Correct-horse-1' };
      assert.equal((await t.call('POST', '/credentials', login)).status, 'checkPassword' in strategy ? 200 : 422);
      assert.equal(await start(w, t), 'sendsCodes' in strategy ? 200 : 400);
    });

    for (const capability of Object.keys(CAPABILITIES) as Capability[])
      if (capability in strategy)
        test(`${capability} answers right and wrong`, () =>
          (CAPABILITIES[capability] as Check<Capability>)(w, strategy[capability] as never, type));
  });
}

const make = (t: TenantHandle, connection_type: ConnectionType, fields: Record<string, unknown> = {}) =>
  t.api('POST', '/connection', { connection_name: `the ${connection_type}`, connection_type, ...fields });

/** Asks for a code at the client's first connection that sends any. */
async function start(w: World, t: TenantHandle): Promise<number> {
  const { client_id } = await t.client();
  const json = { client_id, email: `${Math.random()}@example.com`, send: 'code' };
  return (await w.send(`${t.origin}/passwordless/start`, { method: 'POST', json })).status;
}

async function checksPasswords(w: World, checkPassword: Capabilities['checkPassword']): Promise<void> {
  const right = 'Correct-horse-1';
  const asker = { tenant: 'account_1' };
  const b64 = (data: Buffer) => data.toString('base64').replace(/=+$/, '');
  const salt = Buffer.alloc(16, 1);
  const cheap = [
    `$digest$sha256$prefix$$${b64(createHash('sha256').update(right).digest())}`,
    `$pbkdf2$sha256$1000$${b64(salt)}$${b64(pbkdf2Sync(right, salt, 1000, 32, 'sha256'))}`,
    `$scrypt$1024$8$1$${b64(salt)}$${b64(scryptSync(right, salt, 32, { N: 1024, r: 8, p: 1 }))}`,
    bcrypt.hashSync(right, 4),
    bcrypt.hashSync(right, 9),
  ];
  const known = (password_hash: string) => async () => ({ user: 'user_1', password_hash });
  const nobody = async () => undefined;
  const withoutPassword = async () => ({ user: 'user_1' });
  try {
    for (const passwordHash of ['bcrypt', 'argon2id'] as const) {
      useHashing({ passwordHash });
      const ours = await hashPassword(asker, right);
      assert.deepEqual(await checkPassword(known(ours), right, asker), {
        credential: { user: 'user_1', password_hash: ours },
        user: 'user_1',
      });
      const others = [...cheap, passwordHash === 'argon2id' ? bcrypt.hashSync(right, 10) : await argon2(right)];
      for (const stored of others) {
        const { fresh = '', ...found } = (await checkPassword(known(stored), right, asker)) as { fresh?: string };
        assert.deepEqual(found, { credential: { user: 'user_1', password_hash: stored }, user: 'user_1' });
        assert.ok(fresh.startsWith(ours.slice(0, 7)), `${stored} is to be ${fresh}`);
      }

      const cost = async (lookup: () => Promise<{ user: string } | undefined>, answer: unknown) => {
        const before = hashingTally();
        assert.deepEqual(await checkPassword(lookup, 'wrong', asker), answer);
        const after = hashingTally();
        return { turns: after.turns - before.turns, work: after.work - before.work };
      };
      const nobodys = await cost(nobody, 'unknown');
      assert.equal(nobodys.turns, 1);
      assert.deepEqual(await cost(withoutPassword, 'unknown'), nobodys);
      for (const stored of [ours, ...others]) {
        const { turns, work } = await cost(known(stored), { wrong: 'user_1' });
        assert.equal(turns, 1, 'a second turn could be waited for');
        // What is left over is less than bcrypt's least cost, a millisecond.
        assert.ok(
          Math.abs(work - nobodys.work) < 16,
          `${passwordHash}: ${stored} costs ${work}, and nobody ${nobodys.work}`,
        );
      }
    }
  } finally {
    useHashing(w.config);
  }
}

/** A web server with keys, as an issuer has one. */
async function keyServer(w: World, keys: () => Promise<object | undefined>): Promise<string> {
  const server = createServer(async (_request, response) => {
    const found = await keys();
    response.writeHead(found ? 200 : 500).end(JSON.stringify(found ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  w.closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
}

async function verifiesTokens(w: World, verifyToken: Capabilities['verifyToken']): Promise<void> {
  const [own, other] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
  const jwksUrl = await keyServer(w, async () => ({
    keys: [{ ...(await exportJWK(own.publicKey)), kid: 'k1', alg: 'ES256' }],
  }));
  const issuer = { id: 'connection_1', issuer: 'https://idp.example.com', jwksUrl, audience: 'us' };
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer.issuer, aud: 'us', sub: 'ext|7', exp: seconds + 300 };
  const sign = (more: JWTPayload = {}, key = own.privateKey) =>
    new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(key);
  const verify = (token: string, at = issuer) => verifyToken(at, token, { production: false });

  assert.deepEqual(await verify(await sign()), claims);
  const refused = {
    'the key of somebody else': await sign({}, other.privateKey),
    'no signature': new UnsecuredJWT(claims).encode(),
    'another issuer': await sign({ iss: 'https://evil.example.com' }),
    'another audience': await sign({ aud: 'them' }),
    'a time that is over': await sign({ exp: seconds - 300 }),
    'no end': await sign({ exp: undefined }),
    'no subject': await sign({ sub: undefined }),
    'no token': 'nonsense',
  };
  for (const [what, token] of Object.entries(refused)) assert.equal(await verify(token), 'refused', what);

  const broken = await keyServer(w, async () => undefined);
  await assert.rejects(
    verify(await sign(), { ...issuer, id: 'connection_2', jwksUrl: broken }),
    { code: 'upstream_failed' },
    'nothing is known of a token whose keys cannot be had',
  );
}
