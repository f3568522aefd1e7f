/**
 * The refresh chain under everything that honest clients and thieves do, in any order, on two instances: commands drawn
 * at random, each answer compared with a model of twenty lines. A failure prints the seed and the shortest run that fails;
 * `SEED=…` repeats one.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { protocolModel } from '../../../src/domain/protocol/protocol-row.ts';
import { everyExpiring } from '../../../src/jobs/expiring.ts';
import { RECENT_SECONDS } from '../../../src/kernel/recent.ts';
import { sweep } from '../../../src/store/sweep.ts';
import { agent, type Client, follow, ORDERS, REDIRECT, signIn, world } from '../../kit/index.ts';
import { instance } from '../../kit/instance.ts';

const GRACE_SECONDS = 30;
const LIFETIME_SECONDS = 3600;
const SCOPE = 'openid email offline_access read:orders';

const w = await world();
const second = await instance(w);

/** On both instances. */
async function advance(wait: number): Promise<void> {
  w.clock.advance({ seconds: wait });
  await second.followClock();
}

const [t, other] = [await w.tenant(), await w.tenant()];
await t.api('POST', '/api', {
  name: 'Orders',
  identifier: ORDERS,
  token_lifetime: 600,
  permissions: [{ value: 'read:orders' }, { value: 'create:orders' }],
});
const short = { expiration_mode: 'expire', infinite_token_lifetime: false, token_lifetime: LIFETIME_SECONDS };
const [neighbour, foreign] = [await t.client(), await other.client()];
const user = await t.user();
const browser = agent();

type Json = { status: number; body: Record<string, string> };

/** A form POST to one of the two instances. */
async function post(instance: number, origin: string, path: string, form: Record<string, string>): Promise<Json> {
  if (instance === 0) return w.send(`${origin}${path}`, { method: 'POST', form });
  const { status, text } = await second.post(origin, path, form);
  return { status, body: text ? JSON.parse(text) : {} };
}

const secretsOf = ({ client_id, client_secret }: Client) => ({ client_id, client_secret });

type Link = {
  token: string /** When it was replaced first, by the server's clock in seconds. */;
  replacedAt?: number;
  deadAt: number;
};
type Why = 'reused' | 'revoked' | 'expired';

/** What should be: a chain of links, and whether it is dead. */
type Model = {
  links: Link[];
  dead?: Why;
  /** Index of the link that each of them holds. */
  honest: number;
  thief?: number;
};
/** What is. */
type Real = { client: Client; grant: string; access: string[] };

const seconds = () => Date.now() / 1000;

/** What a use of a link has to be answered with; the model moves on. */
function use(model: Model, index: number): 'successor' | 'refused' {
  const link = model.links[index]!;
  if (model.dead || link.deadAt <= seconds()) return 'refused';
  if (link.replacedAt !== undefined && link.replacedAt <= seconds() - GRACE_SECONDS) {
    model.dead = 'reused';
    return 'refused';
  }
  link.replacedAt ??= seconds();
  return 'successor';
}

const refresh = (real: Real, token: string, instance: number, more: Record<string, string> = {}) =>
  post(instance, t.origin, '/oauth/token', {
    grant_type: 'refresh_token',
    ...secretsOf(real.client),
    refresh_token: token,
    ...more,
  });

/** Sends one use of a link and holds the answer against the model. */
async function attempt(model: Model, real: Real, index: number, instance: number, scope?: string): Promise<boolean> {
  const expected = use(model, index);
  const answer = await refresh(real, model.links[index]!.token, instance, scope ? { scope } : {});
  return check(model, real, index, expected, answer, scope);
}

function check(model: Model, real: Real, index: number, expected: string, answer: Json, scope = SCOPE): boolean {
  const { status, body } = answer;
  if (expected === 'refused') {
    assert.deepEqual([status, body.error], [400, 'invalid_grant'], JSON.stringify(body));
    return false;
  }
  assert.equal(status, 200, `link ${index} of ${model.links.length - 1}: ${JSON.stringify(body)}`);
  const next = { token: body.refresh_token!, deadAt: Math.floor(seconds()) + LIFETIME_SECONDS };
  const known = model.links[index + 1];
  if (known) {
    assert.equal(next.token, known.token, 'the chain does not fork');
    known.deadAt = next.deadAt;
  } else {
    assert.ok(!model.links.some(({ token }) => token === next.token), 'a link comes once');
    model.links.push(next);
  }
  const claims = decodeJwt(body.access_token!);
  assert.equal(claims.aud, ORDERS, 'the audience is kept');
  const granted = ((claims.scope as string | undefined) ?? '').split(' ').filter(Boolean);
  const asked = scope.split(' ');
  assert.ok(
    granted.every((one) => asked.includes(one)),
    `${granted} of ${asked}`,
  );
  assert.equal(granted.includes('read:orders'), asked.includes('read:orders'), 'nor is anything lost');
  assert.equal(claims.sub, user.id);
  assert.equal(claims.grant_id, real.grant);
  real.access.push(body.access_token!);
  return true;
}

/* ——— what may happen ——— */

type Step = fc.AsyncCommand<Model, Real>;
const step = (
  name: string,
  run: (model: Model, real: Real) => Promise<void>,
  when = (_: Readonly<Model>) => true,
): Step => ({
  check: when,
  async run(model, real) {
    await run(model, real);
    await invariants(model, real);
  },
  toString: () => name,
});

/** The client goes on to the successor of what it used, where there was one. */
async function honestUse(model: Model, real: Real, instance: number, scope?: string): Promise<void> {
  if (await attempt(model, real, model.honest, instance, scope)) model.honest += 1;
}

const instances = fc.integer({ min: 0, max: 1 });

/** What goes on all the time. */
const usual: fc.Arbitrary<Step>[] = [
  instances.map((at) => step(`refresh@${at}`, (m, r) => honestUse(m, r, at))),
  fc
    .tuple(instances, fc.constantFrom('openid', 'openid read:orders', 'email offline_access', SCOPE))
    .map(([at, scope]) => step(`narrow@${at} ${scope}`, (m, r) => honestUse(m, r, at, scope))),
  fc.tuple(instances, instances, fc.constantFrom(0, 1, 14)).map(([a, b, wait]) =>
    step(`lost answer@${a}, ${wait} s, retry@${b}`, async (m, r) => {
      await attempt(m, r, m.honest, a);
      if (wait) await advance(wait);
      await honestUse(m, r, b);
    }),
  ),
  fc.array(instances, { minLength: 2, maxLength: 5 }).map((tabs) =>
    step(`${tabs.length} tabs`, async (m, r) => {
      const index = m.honest;
      const expected = use(m, index);
      const answers = await Promise.all(tabs.map((at) => refresh(r, m.links[index]!.token, at)));
      const went = answers.map((answer) => check(m, r, index, expected, answer));
      if (went[0]) m.honest += 1;
    }),
  ),
  fc.tuple(instances, fc.integer({ min: 1, max: 3 })).map(([at, back]) =>
    step(
      `a request of ${back} ago arrives late@${at}`,
      // Its answer has nobody who waits for it.
      async (m, r) => void (await attempt(m, r, m.honest - back, at)),
      (m) => {
        const late = m.links[m.honest - back];
        // Only what was sent a moment ago can still be under way.
        return late?.replacedAt !== undefined && late.replacedAt > seconds() - GRACE_SECONDS;
      },
    ),
  ),
  fc.constantFrom(1, 10, 29, 31).map((wait) => step(`${wait} s`, () => advance(wait))),
  fc.constant(step('sweep', async () => void (await sweep(everyExpiring())))),

  fc.nat({ max: 2 }).map((back) =>
    step(`a thief copies the token of ${back} ago`, async (m) => {
      m.thief = Math.max(0, m.honest - back);
    }),
  ),
  instances.map((at) =>
    step(
      `the thief refreshes@${at}`,
      async (m, r) => {
        if (await attempt(m, r, m.thief!, at)) m.thief! += 1;
      },
      (m) => m.thief !== undefined,
    ),
  ),
  instances.map((at) =>
    step(
      `thief and client at once@${at}`,
      async (m, r) => {
        const [mine, stolen] = [m.honest, m.thief!];
        const answers = await Promise.all([
          refresh(r, m.links[mine]!.token, at),
          refresh(r, m.links[stolen]!.token, 1 - at),
        ]);
        // Each in its turn would go through, or the one that does not ends it for both, whoever came first.
        const fine = use(m, mine) === 'successor' && use(m, stolen) === 'successor';
        if (fine) {
          check(m, r, mine, 'successor', answers[0]);
          check(m, r, stolen, 'successor', answers[1]);
          m.honest += 1;
          m.thief! += 1;
        }
      },
      // Where the order would matter to what the model holds, nothing is learned.
      (m) =>
        m.thief !== undefined &&
        !m.dead &&
        m.links[m.honest]!.deadAt > seconds() &&
        m.links[m.thief]!.deadAt > seconds(),
    ),
  ),

  instances.map((at) =>
    step(`another client, another tenant, a wrong secret, too wide a scope@${at}`, async (m, r) => {
      const refresh_token = m.links[m.honest]!.token;
      const grant = { grant_type: 'refresh_token', refresh_token };
      const alone = await post(at, t.origin, '/oauth/token', { ...grant, ...secretsOf(neighbour) });
      assert.deepEqual([alone.status, alone.body.error], [400, 'invalid_grant']);
      const abroad = await post(at, other.origin, '/oauth/token', { ...grant, ...secretsOf(foreign) });
      assert.deepEqual([abroad.status, abroad.body.error], [400, 'invalid_grant']);
      const forged = await post(at, t.origin, '/oauth/token', { ...grant, ...secretsOf(r.client), client_secret: 'x' });
      assert.deepEqual([forged.status, forged.body.error], [401, 'invalid_client']);
      const wide = await refresh(r, refresh_token, at, { scope: 'openid create:orders' });
      assert.equal(wide.status, 400);
      assert.ok(['invalid_scope', 'invalid_grant'].includes(wide.body.error!), wide.body.error);
      for (const [origin, client] of [
        [t.origin, neighbour],
        [other.origin, foreign],
      ] as const)
        await post(at, origin, '/oauth/revoke', { token: refresh_token, ...secretsOf(client) });
    }),
  ),
];

/** What ends everything, so that most runs get far without it. */
const rare: fc.Arbitrary<Step>[] = [
  fc.constant(step('a lifetime', () => advance(LIFETIME_SECONDS))),
  fc.tuple(instances, fc.nat({ max: 2 })).map(([at, back]) =>
    step(
      `the client revokes the token of ${back} ago@${at}`,
      async (m, r) => {
        const link = m.links[m.honest - back]!;
        const answer = await post(at, t.origin, '/oauth/revoke', { token: link.token, ...secretsOf(r.client) });
        assert.equal(answer.status, 200);
        if (link.deadAt > seconds()) m.dead ??= 'revoked';
      },
      (m) => m.honest >= back,
    ),
  ),
];

const commands = [fc.oneof({ weight: 20, arbitrary: fc.oneof(...usual) }, { weight: 1, arbitrary: fc.oneof(...rare) })];

/* ——— what always holds ——— */

async function invariants(model: Model, real: Real): Promise<void> {
  const rows = await protocolModel
    .find({ grant: real.grant, kind: 'RefreshToken', expires_at: { $gt: new Date() } })
    .lean();
  const live = rows.filter(({ consumed_at }) => !consumed_at);
  assert.ok(live.length <= 1, 'one live end at most');
  assert.equal((await protocolModel.countDocuments({ kind: 'Grant', client: real.client.client_id })) > 0, !model.dead);
  const newest = real.access.at(-1);
  if (newest) {
    // What the other instance ended is seen here within moments.
    if (model.dead) await advance(RECENT_SECONDS + 1);
    const { body } = await post(0, t.origin, '/oauth/introspect', { token: newest, ...secretsOf(real.client) });
    assert.equal(
      body.active,
      !model.dead && decodeJwt(newest).exp! > seconds(),
      'access tokens share the fate of the family',
    );
  }
}

/** How often a theft in this family was logged. */
async function logged(real: Real): Promise<number> {
  const query = encodeURIComponent(`type:oauth.token.reused client:${real.client.client_id}`);
  return (await t.api('GET', `/log?query=${query}`)).results.length;
}

/** The end of every run: a live family is the honest client's, until a thief uses what it has used; a dead one is dead. */
async function settle(model: Model, real: Real): Promise<void> {
  assert.equal(await logged(real), model.dead === 'reused' ? 1 : 0, 'a theft is logged, once, and nothing else is');
  if (!model.dead && model.links[model.honest]!.deadAt > seconds()) {
    model.thief = model.honest;
    await honestUse(model, real, 1);
    // Unless a thief was there before, in which case that was the end.
    if (!model.dead) {
      await advance(GRACE_SECONDS);
      assert.equal(await attempt(model, real, model.thief, 0), false);
      await invariants(model, real);
    }
    assert.equal(await logged(real), 1);
  }
  if (model.dead)
    for (const { token } of model.links) assert.equal((await refresh(real, token, 0)).body.error, 'invalid_grant');
}

/** A family of its own: a fresh client in the same browser session. */
async function family(fields: object = { refresh_token: short }): Promise<{ model: Model; real: Real }> {
  const client: Client = await t.api('POST', '/client', { name: 'Orders', callbacks: [REDIRECT], ...fields });
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    scope: SCOPE,
    audience: ORDERS,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const url = `${t.origin}/authorize?${query}`;
  const at = await follow(browser, await browser(url), REDIRECT);
  const landed = at.location?.startsWith(REDIRECT) ? new URL(at.location) : await signIn(browser, url, user);
  const { status, body } = await post(0, t.origin, '/oauth/token', {
    grant_type: 'authorization_code',
    ...secretsOf(client),
    code: landed.searchParams.get('code')!,
    redirect_uri: REDIRECT,
    code_verifier: verifier,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return {
    model: { links: [{ token: body.refresh_token!, deadAt: Math.floor(seconds()) + LIFETIME_SECONDS }], honest: 0 },
    real: { client, grant: decodeJwt(body.access_token!).grant_id as string, access: [body.access_token!] },
  };
}

/** Fifteen runs of forty steps; what else is found by leaving it running with a larger `numRuns`. */
test('honest retries and thefts in any order: the chain never forks, a theft ends it, and nothing else does', async () => {
  // From here the clock stands unless it is moved, so that the model and the server read the same.
  await advance(1);
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), async (steps) => {
      const made = await family();
      await fc.asyncModelRun(() => made, steps);
      await settle(made.model, made.real);
    }),
    { numRuns: 15, ...(process.env.SEED && { seed: Number(process.env.SEED) }) },
  );
});

test('who refreshes in time stays signed in, however long ago the login was', async () => {
  const { real, model } = await family({});
  let token = model.links[0]!.token;
  for (let month = 0; month < 6; month += 1) {
    await advance(29 * 24 * 3600);
    const { status, body } = await refresh(real, token, month % 2);
    assert.equal(status, 200, `after ${month + 1} months: ${JSON.stringify(body)}`);
    token = body.refresh_token!;
    const { body: told } = await post(0, t.origin, '/oauth/introspect', {
      token: body.access_token!,
      ...secretsOf(real.client),
    });
    assert.equal(told.active, true);
  }
  await advance(30 * 24 * 3600);
  assert.equal((await refresh(real, token, 0)).body.error, 'invalid_grant', 'and nobody for longer than a token lives');
});
