/**
 * Every example of the reference is run as it is written there: the command line, with the ids, tokens and secrets that a
 * reader would put in, is answered as the page says, and no member of the answer that it shows is one that never comes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Agent, agent, codeOf, type Json, tokensOf, world } from '../kit/index.ts';
import { lastLink } from '../kit/mailbox.ts';

const w = await world();
const t = await w.tenant();
const CALLBACK = 'https://orders.example.com/callback';

type Example = { id: string; method: string; path: string; command: string; answer?: string };

const textOf = (html: string) =>
  html
    .replace(/<[^>]+>/g, '')
    .replace(
      /&(lt|gt|quot|#39|amp);/g,
      (_, name: string) => ({ lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' })[name]!,
    );

async function examples(): Promise<Example[]> {
  const { text } = await w.send(`${t.origin}/docs`);
  const found = [
    ...text.matchAll(/<article [^>]*id="([^"]+)" data-method="(\w+)" data-path="([^"]+)"[\s\S]*?<\/article>/g),
  ];
  return found.map(([article, id, method, path]) => {
    const [command, answer] = [...article.matchAll(/<figure class="sample">[\s\S]*?<code>([\s\S]*?)<\/code>/g)];
    return {
      id: id!,
      method: method!,
      path: path!,
      command: textOf(command![1]!),
      answer: answer && textOf(answer[1]!),
    };
  });
}

/** A command line as a shell reads it: quotes of both kinds, and lines that go on. */
function wordsOf(command: string): string[] {
  const parts = /((?:'[^']*'|"[^"]*"|\\[\s\S]|[^\s'"\\])+)/g;
  return [...command.replaceAll('\\\n', ' ').matchAll(parts)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"|\\([\s\S])/g, (_, single, double, escaped) => single ?? double ?? escaped),
  );
}

/** What curl would do with it. */
async function run(command: string, visit: Agent) {
  const [curl, ...words] = wordsOf(command);
  assert.equal(curl, 'curl');
  const headers = new Headers({ accept: '*/*' });
  const data: string[] = [];
  let [method, url]: (string | undefined)[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!;
    if (!word.startsWith('-')) url = word;
    else {
      at += 1;
      const value = words[at]!;
      if (word === '-X') method = value;
      else if (word === '-H') headers.set(...(value.split(/: ?(.*)/s) as [string, string]));
      else if (word === '-u') headers.set('authorization', `Basic ${Buffer.from(value).toString('base64')}`);
      else if (word === '-d' || word === '--data-binary') data.push(value);
      else assert.fail(`what is ${word}?`);
    }
  }
  if (data.length && !headers.has('content-type')) headers.set('content-type', 'application/x-www-form-urlencoded');
  return visit(url!, {
    method: method ?? 'GET',
    headers: Object.fromEntries(headers),
    body: data.length ? data.join('&') : undefined,
  });
}

const HEX = '665f1c0b2a9d4e0012ab34cd';
const idOf = (kind: string) => `${kind}_${HEX}`;
const user = await t.user({ email: 'grace@example.com' });
const addresses = { callbacks: [CALLBACK], logout_urls: ['https://orders.example.com/'] };
const app = await t.client({ ...addresses, token_endpoint_auth_method: 'none' });
const [visit, operator] = [agent(), await w.operatorToken()];
let admin = await t.token();

/** What a reader has by then, by the placeholder for it. */
const known: Record<string, string> = {};
/** The same for one example alone. */
const own: Record<string, Record<string, string>> = {};

/* ——— what has to have happened, and what is learned ——— */

const ofUser = async (): Promise<string> =>
  (await tokensOf(t, await t.client(), user, { scope: 'openid profile email' }, visit)).tokens.access_token;
const token = async () => {
  const client = { client_id: known[idOf('client')]!, client_secret: known.CLIENT_SECRET! };
  known.TOKEN = await t.machineToken(client, t.audience, 'read:users read:roles');
};
const asUser = (id: string) => async () => {
  own[id] = { $TOKEN: await ofUser() };
};

const PREPARED: Record<string, () => Promise<unknown>> = {
  'oauth-token': async () =>
    t.api('POST', `/client/${known[idOf('client')]}`, {
      grant_types: ['authorization_code', 'client_credentials'],
      grants: await t.managementGrants(),
    }),
  'oauth-tokenGet': async () => {
    const client = { client_id: known[idOf('client')]!, client_secret: known.CLIENT_SECRET! };
    const request = { redirect_uri: CALLBACK, code_challenge: '', code_challenge_method: '' };
    known.CODE = (await codeOf(t, client, user, request)).code;
  },
  'oauth-userinfo': asUser('oauth-userinfo'),
  'oauth-userinfoPost': asUser('oauth-userinfoPost'),
  'session-me': asUser('session-me'),
  'oauth-revoke': token,
  'oauth-introspect': token,
  // The browser is logged in.
  'oauth-deviceVerify': ofUser,
  'passwordless-start': () =>
    t.api('POST', '/connection', { connection_name: 'email', connection_type: 'passwordless_email' }),
  async 'usernamepassword-login'() {
    own['usernamepassword-login'] = { 'ada@example.com': user.email, 'Correct horse battery staple 1': user.password };
  },
  // Whose address it is in the examples has an account by then.
  async signup() {
    for (const path of ['user', 'credentials'])
      for (const { id } of (await t.api('GET', `/${path}?query=email:ada@example.com`)).results)
        await t.api('POST', `/${path}/${id}`, { email: `moved-${id.toLowerCase()}@example.com` });
  },
  async change_password_change() {
    const { email } = await t.user();
    await w.send(`${t.origin}/dbconnections/change_password`, { method: 'POST', json: { email } });
    known.RESET_TICKET = new URL(await lastLink(t, email)).searchParams.get('ticket')!;
  },
  async 'team-revokeInvite'() {
    const invites = `/team/${known[idOf('team')]}/invite`;
    await t.api('POST', invites, { email: 'guest@example.com' });
    known[idOf('ticket')] = (await t.api('GET', invites)).data[0].id;
  },
  async 'notificationsubscription-redeliver'() {
    const config = { url: 'http://127.0.0.1:9/', secret: 'whsec' };
    const body = { events: ['user.created'], channel: 'webhook', config };
    const { id } = await t.api('POST', '/notificationsubscription', body);
    const { messages } = await t.api('POST', `/notificationsubscription/${id}/test`);
    await w.deliver();
    own['notificationsubscription-redeliver'] = {
      [idOf('notificationsubscription')]: id,
      [idOf('outbox')]: messages[0],
    };
  },
  'grant-list': async () => {
    const partner = await t.client({ is_first_party: false });
    await tokensOf(t, partner, user, { scope: 'openid email' });
  },
};

const LEARNED: Record<string, (body: Json) => unknown> = {
  'client-create': ({ client_secret }) => Object.assign(known, { CLIENT_SECRET: client_secret }),
  'client-rotateSecret': ({ client_secret }) => Object.assign(known, { CLIENT_SECRET: client_secret }),
  'client-createInitialAccessToken': ({ id }) => Object.assign(known, { [idOf('initial_access_token')]: id }),
  'oauth-deviceCode': ({ user_code }) => Object.assign(known, { 'ABCD-1234': user_code }),
  'oauth-deviceVerify': ({ device_code }) => Object.assign(known, { DEVICE_CODE: device_code }),
  'oauth-register'({ client_id, registration_access_token }) {
    for (const verb of ['read', 'update', 'delete'])
      own[`oauth-${verb}Registration`] = { [idOf('client')]: client_id, $TOKEN: registration_access_token };
  },
  async 'account-rotateKeys'({ previous_production_kid: kid }) {
    known.y62BjdlLB4ERWuZs = kid;
    admin = await t.renew();
  },
};

/** A link that was mailed, an address that a browser is sent to, a page with a form: what is in it nobody can write down. */
const FOLLOWED = [
  'authorizeResume',
  'passwordless-verify_redirect',
  'usernamepassword-login',
  'user_verify_email_confirm',
  'user_change_email_verify',
  'team_invite_verify',
  'change_password_verify',
  'oauth-deviceConfirm',
];

/** Called by nobody but Postmark, with a password that the operator chose; posted by a form that another answer is. */
const CALLED = ['webhooks-postmark', 'usernamepassword-loginCallback'];

/** Called by a page, in a browser that is logged in. */
const BROWSERS = ['oauth-deviceVerify', 'oauth-deviceAuthorize'];

function written({ id, command }: Example): string {
  const bearer = /^account-(create|delete|list)$/.test(id) ? operator : admin;
  // Who is asked for no secret has none.
  const client = /CLIENT_SECRET|\$TOKEN/.test(command) ? {} : { [idOf('client')]: app.client_id };
  const put: Record<string, string> = { ...known, $TOKEN: bearer, ...client, ...own[id] };
  // At once, the longest first: what is put in holds anything.
  const places = Object.keys(put).sort((a, b) => b.length - a.length);
  return command.replace(new RegExp(places.map(RegExp.escape).join('|'), 'g'), (place) => put[place]!);
}

/** Members that the shown answer has and the real one has not, or has as something else. */
function differences(shown: unknown, real: unknown, at = ''): string[] {
  if (shown === null || real === null) return [];
  if (Array.isArray(shown) && Array.isArray(real)) {
    // Rows of one list may lack what others have, and those of one second are in any order.
    const of = (item: unknown) =>
      real.map((one) => differences(item, one, `${at}[]`)).sort((a, b) => a.length - b.length);
    return shown.slice(0, 1).flatMap((item) => of(item)[0] ?? []);
  }
  if (typeof shown !== typeof real || Array.isArray(shown) !== Array.isArray(real)) return [`${at} is ${typeof real}`];
  if (typeof shown !== 'object') return [];
  return Object.entries(shown).flatMap(([name, value]) => {
    const there = (real as Record<string, unknown>)[name];
    return there === undefined ? [`${at}.${name}`] : differences(value, there, `${at}.${name}`);
  });
}

/** First what makes rows, which what follows is about; last what removes them, the newest first and the account at the end. */
function inOrder(list: readonly Example[]): Example[] {
  const makes = list.filter(({ id }) => /-create$/.test(id));
  const removes = list.filter(({ method }) => method === 'DELETE').reverse();
  const rest = list.filter((one) => !makes.includes(one) && !removes.includes(one));
  const last = ({ id }: Example) => (id === 'account-delete' ? 1 : 0);
  return [...makes, ...rest, ...removes.sort((a, b) => last(a) - last(b))];
}

test('every example is answered as the page says', async () => {
  const list = await examples();
  const { paths } = (await w.send(`${t.origin}/docs/json`)).body;
  const faults: string[] = [];
  for (const one of inOrder(list)) {
    const { id } = one;
    if (CALLED.includes(id)) continue;
    await PREPARED[id]?.();
    const came = await run(written(one), BROWSERS.includes(id) ? visit : agent());
    if (FOLLOWED.includes(id)) {
      if (came.status >= 500 || came.headers.get('content-type')?.includes('json'))
        faults.push(`${id}: ${came.status}`);
      continue;
    }
    const { responses } = paths[one.path][one.method.toLowerCase()];
    if (!/^[23]/.test(String(came.status)) || !(came.status in responses)) {
      faults.push(`${id}: ${came.status} ${came.text.slice(0, 300)}`);
      continue;
    }
    if (!one.answer) continue;
    const body = JSON.parse(came.text);
    faults.push(...differences(JSON.parse(one.answer), body).map((difference) => `${id}: ${difference}`));
    const kind = idOf(id.split('-')[0]!);
    if (id.endsWith('-create')) known[kind] = body.id;
    if (id.endsWith('-list')) known[kind] ??= body.results[0]?.id;
    await LEARNED[id]?.(body);
  }
  assert.deepEqual(faults, []);
  assert.ok(list.length > 100, 'the examples are found');
});
