/** The hosted pages: readable in any colour and language, harmless with hostile names, and usable in a real browser. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Script } from 'node:vm';
import formbody from '@fastify/formbody';
import fastify, { type FastifyInstance } from 'fastify';
import type { Page as Tab } from 'playwright-core';
import { brokenRules, passwordRules } from '../../src/domain/user/password-policy.ts';
import { errorPage } from '../../src/flows/error/error-page.ts';
import { ERROR_PAGES } from '../../src/flows/error/error-pages.ts';
import { pages } from '../../src/flows/index.ts';
import { landingPage } from '../../src/flows/landing/landing-page.ts';
import { playgroundPage } from '../../src/flows/landing/playground-page.ts';
import { formPostPage } from '../../src/flows/login/form-post-page.ts';
import { loginPage } from '../../src/flows/login/login-page.ts';
import { webMessagePage } from '../../src/flows/login/web-message-page.ts';
import { logoutPage } from '../../src/flows/logout/logout-page.ts';
import { signedOutPage } from '../../src/flows/logout/signed-out-page.ts';
import { assets } from '../../src/flows/shell/assets.ts';
import type { Page, PageData } from '../../src/flows/shell/page.ts';
import { render, renderPage } from '../../src/flows/shell/render.ts';
import { sampler, type Twist } from '../../src/flows/shell/sample.ts';
import { available, nameOf } from '../../src/look/words.ts';
import { axeOn, serveAxe } from '../kit/axe.ts';
import { browsers } from '../kit/browser.ts';
import { PSEUDO, unmarked } from '../kit/pseudo-locale.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('page', () => {
  const hostile = '"><script>alert(1)</script>\u202e';

  test('every template is of a page in the list, and no two pages are named alike', () => {
    const templates = globSync('views/pages/*.eta').map((path) => /([a-z-]+)\.eta$/.exec(path)![1]!);
    assert.deepEqual(pages.map(({ name }) => name).sort(), templates.sort());
    const labels = samples('en').map(({ label }) => label);
    assert.deepEqual(labels, [...new Set(labels)]);
  });

  test('a page given another’s data, or less than its own, does not compile', () => {
    const data = common('en');
    assert.throws(() => {
      // @ts-expect-error the login page needs a form's action, and more
      render(loginPage, data);
    });
    // @ts-expect-error no page is given what it does not know
    assert.ok(render(landingPage, { ...data, developement: undefined }).body);
  });

  test('names are text, whatever they contain', () => {
    for (const { label, one, data } of samples('en', { text: hostile })) {
      const { body } = render(one, data);
      assert.ok(!body.includes('<script>alert'), label);
      assert.ok(!body.includes('"><script'), label);
      assert.ok(!body.includes('\u202e'), label);
    }
  });

  test('addresses that run code are dropped from links, forms and images', () => {
    for (const address of [
      'javascript:alert(1)',
      ' JaVaScRiPt:alert(1)',
      'java\nscript:alert(1)',
      'data:text/html,x',
      'vbscript:x',
    ])
      for (const { label, one, data } of samples('en', { address })) {
        const { body } = render(one, data);
        for (const [, value] of body.matchAll(/(?:href|src|action)="([^"]*)"/g))
          assert.doesNotMatch(value!.trim(), /^(?:j[\s\S]*:|vbscript:|data:text|undefined)/i, `${label}: ${value}`);
      }
  });

  test('every word is of the locale files, in all that is shown and read aloud', () => {
    const NAME = '◇';
    const languages = available.map(nameOf).join('|');
    const known = new RegExp(
      `^(?:${languages}|ABCD-1234|[a-z]{2}-[A-Z]{2}|\\.data/demo\\.json)$|(?:https?://)?\\w+\\.example[\\w./:-]*`,
      'g',
    );
    for (const { label, one, data } of samples(PSEUDO, { text: NAME }))
      assert.deepEqual(unmarked(render(one, data).body, known), [], label);
  });

  test('a logo may be an https or a data image, never plain http', () => {
    const withLogo = (logo: string) =>
      render(landingPage, { ...common('en'), tenant: { ...common('en').tenant, logo } }).body.includes('class="logo"');
    assert.ok(withLogo('https://cdn.example/logo.png'));
    assert.ok(withLogo('data:image/png;base64,AAAA'));
    assert.ok(!withLogo('http://cdn.example/logo.png'));
    assert.ok(!withLogo('data:text/html,x'));
  });

  test('every page is headed by a strict policy, is not stored, and is not framed', () => {
    for (const { label, one, data } of samples('es')) {
      const { headers, body } = render(one, data);
      const policy = headers['content-security-policy']!;
      assert.doesNotMatch(policy, /unsafe-/, label);
      for (const part of ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"])
        assert.ok(policy.includes(part), `${label}: ${part}`);
      assert.equal(policy.includes('connect-src'), one.name === 'playground', label);
      const nonce = /'nonce-([^']+)'/.exec(policy)![1]!;
      assert.ok(body.includes(`<style nonce="${nonce}">`), label);
      assert.doesNotMatch(body, /\son\w+=|\sstyle=|javascript:|<script>/i, label);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['x-frame-options'], 'DENY');
      assert.equal(headers['referrer-policy'], 'same-origin');
      assert.equal(headers['content-language'], 'es');
      assert.match(body, /<html lang="es" dir="ltr">/);
      assert.equal(body.match(/<h1>/g)?.length, 1, label);
      assert.equal(body.match(/<main/g)?.length, 1, label);
    }
    const nonces = new Set([1, 2, 3].map(() => render(landingPage, common('en')).headers['content-security-policy']));
    assert.equal(nonces.size, 3);
  });

  test('frame-src names who is framed by origin or by scheme, and takes nothing else into the header', () => {
    const addresses = [
      'https://app.example/callback?x=1',
      'com.example.app:/callback',
      'http://[::1]:8080/cb',
      'http://127.0.0.1:5000/cb',
      "https://app.example; script-src 'unsafe-inline'",
      'nonsense',
    ];
    const policy = render(landingPage, common('en'), { frameSrc: addresses }).headers['content-security-policy']!;
    assert.ok(
      policy.includes(
        "; frame-src https://app.example com.example.app: http: http://127.0.0.1:5000; form-action 'self';",
      ),
      policy,
    );
    assert.ok(
      !render(landingPage, common('en'), { formAction: '*' }).headers['content-security-policy']!.includes(
        'form-action',
      ),
    );
  });

  test('the first view weighs less than 30 KB', () => {
    for (const { label, one, data } of samples('es')) {
      const { body } = render(one, data);
      const linked = [...body.matchAll(/(?:href|src)="\/assets\/([a-z]+)\.[0-9a-f]+\.(css|js|svg)"/g)];
      const bytes = linked.map(([, file, type]) => Buffer.byteLength(read(`views/assets/${file}.${type}`)));
      const total = bytes.reduce((sum, size) => sum + size, Buffer.byteLength(body));
      assert.ok(total < 30_000, `${label}: ${total} bytes`);
    }
  });

  test('scripts are classic ones in words that the oldest web views and televisions know', () => {
    const seen = new Set<string>();
    for (const { label, one, data } of [...samples('en'), ...answers()]) {
      if (one.name === 'playground') continue;
      for (const [tag, file] of render(one, data).body.matchAll(/<script[^>]*\/([a-z-]+)\.[0-9a-f]+\.js"[^>]*>/g)) {
        assert.match(tag, / defer /, `${label}: ${tag}`);
        assert.doesNotMatch(tag, /module|async|nomodule/, label);
        seen.add(file!);
      }
    }
    assert.deepEqual([...seen].sort(), ['challenge', 'form-post', 'login', 'logout', 'web-message']);
    for (const file of seen) {
      const script = read(`views/assets/${file}.js`).replace(/^\s*\/\/.*$/gm, '');
      assert.doesNotMatch(
        script,
        /=>|`|\?\.|\?\?|\.\.\.|\*\*|\b(?:let|const|class|import|export|async|await|yield|of|dataset|closest|append)\b/,
        file,
      );
      // Sloppy code of ECMAScript 5 and of today are one language as far as this goes.
      assert.doesNotThrow(() => new Script(script), file);
    }
  });

  test('titles tell tabs apart', () => {
    assert.match(render(loginPage, login('en')).body, /<title>Log in · Orders<\/title>/);
  });

  test('a field’s message belongs to its field, which has the focus; what was typed stays', () => {
    const { body } = render(loginPage, {
      ...login('en'),
      email: 'ana@',
      error: { field: 'email', key: 'login.error.email_missing' },
    });
    assert.match(
      body,
      /<input id="email"[^>]*value="ana@"[^>]*aria-invalid="true" aria-describedby="email-error" autofocus>/,
    );
    assert.match(body, /<p class="field-error" role="alert" id="email-error">Enter your email\.<\/p>/);
    assert.equal(body.match(/role="alert"/g)?.length, 1);
    const wrong = render(loginPage, {
      ...login('en'),
      email: 'ana@example.com',
      error: { key: 'login.error.wrong_credentials' },
    }).body;
    assert.match(wrong, /<input id="password"[^>]*aria-describedby="message" autofocus>/);
    assert.doesNotMatch(wrong, /<input id="password"[^>]* value=/);
  });

  test('with more than four other ways in, the rest sit behind one line, open when it hides the last used one', () => {
    const many = Array.from({ length: 6 }, (_, i) => ({ id: `${i}`, label: `C${i}`, type: 'oidc', href: `/c/${i}` }));
    const { body } = render(loginPage, { ...login('en'), connections: many });
    assert.equal(body.slice(0, body.indexOf('<details>')).match(/href="\/c\//g)?.length, 4);
    const used = many.map((one, i) => ({ ...one, lastUsed: i === 5 }));
    assert.match(render(loginPage, { ...login('en'), connections: used }).body, /<details open>/);
  });

  test('a page without a tenant speaks for Cardea alone', () => {
    const { body, status } = render(errorPage, {
      ...common('en'),
      tenant: undefined,
      appName: undefined,
      ...ERROR_PAGES.unknown_host,
    });
    assert.equal(status, 404);
    assert.match(body, /<title>There is no login page here · Cardea<\/title>/);
    assert.match(body, /req_1/);
  });
});

describe('in a browser', () => {
  const app = server();
  let origin: string;
  const visit = browsers();

  before(async () => {
    origin = await app.listen({ port: 0, host: '127.0.0.1' });
  });
  after(() => app.close());

  describe('each state of every page, in a language of long words that is read from right to left', () => {
    const wide: string[] = [];
    const faults: string[] = [];

    before(() =>
      visit({ viewport: { width: 320, height: 640 } }, async (tab) => {
        const [shapes, tags] = [new Set<string>(), new Set<string>()];
        for (const { label, one, data } of samples(PSEUDO, { long: true })) {
          await tab.goto(`${origin}/sample/${PSEUDO}/long/${label}`);
          const shape = shapeOf(render(one, data).body);
          if (!shapes.has(shape)) {
            shapes.add(shape);
            const known = tags.size;
            for (const [tag] of shape.matchAll(/<\w[^>]*>/g)) tags.add(tag);
            const axe = await axeOn(tab);
            for (const fault of await axe()) faults.push(`${label}: ${fault}`);
            if (tags.size > known) {
              await tab.emulateMedia({ colorScheme: 'dark' });
              for (const fault of await axe('color-contrast')) faults.push(`${label} in the dark: ${fault}`);
              await tab.emulateMedia({ colorScheme: 'light' });
            }
          }
          for (const [how, width] of await tab.evaluate<[string, number][]>(WIDTHS))
            if (width > 320) wide.push(`${label} ${how}: ${width} px`);
        }
      }),
    );

    test('fits 320 px without a horizontal scroll bar, with long names and large text, and the other way round too', () => {
      assert.deepEqual(wide, []);
    });

    test('has nothing for axe to find, in light and dark', () => {
      assert.deepEqual(faults, []);
    });
  });

  test('axe would find what is wrong', async () => {
    await visit({}, async (tab) => {
      await tab.goto(`${origin}/faulty`);
      const rules = (await (await axeOn(tab))()).map((fault) => fault.split(' ')[0]);
      for (const rule of ['image-alt', 'label', 'color-contrast', 'html-has-lang'])
        assert.ok(rules.includes(rule), `${rule} is not among ${rules}`);
    });
  });

  test('controls are 44 px high, and inputs are not smaller than 16 px', async () => {
    await visit({ viewport: { width: 390, height: 780 } }, async (tab) => {
      for (const label of ['login', 'consent', 'apps', 'app-remove', 'logout', 'signed-in', 'error']) {
        await tab.goto(`${origin}/sample/en/short/${label}`);
        for (const control of await tab.locator('input:not([type=hidden]), .button').all())
          assert.ok((await control.boundingBox())!.height >= 44, `${label}: ${await control.textContent()}`);
      }
      await tab.goto(`${origin}/sample/en/short/login`);
      assert.equal(await tab.evaluate("getComputedStyle(document.getElementById('email')).fontSize"), '16px');
      assert.equal(await tab.evaluate('document.activeElement.id'), 'email');
    });
  });

  test('the rules of a password tick themselves off while it is typed, as the server has them', async () => {
    await visit({}, async (tab) => {
      await tab.goto(`${origin}/sample/en/short/reset-password-weak`);
      const field = tab.getByLabel('New password');
      const listed = () => tab.locator('.rules li').evaluateAll((all) => all.map(({ className }) => className));
      assert.deepEqual(await listed(), ['broken', '', 'broken', 'broken', 'broken']);
      for (const [password, kept] of [
        ['aaa', [false, true, false, false, false]],
        ['Abcdefghij', [true, true, false, false, true]],
        ['Abcdefghi-1', [true, true, true, true, true]],
      ] as const) {
        await field.fill(password);
        assert.deepEqual(
          (await listed()).map((name) => name === 'kept'),
          kept,
          password,
        );
        const policy = { level: 'excellent', require_lowercase: true, require_special: true } as const;
        const broken = new Set(brokenRules(policy, password).map(({ name }) => name));
        const told = passwordRules(policy).filter(({ name }) => name !== 'max_length');
        assert.deepEqual(
          told.map(({ name }) => !broken.has(name)),
          kept,
        );
      }
    });
  });

  test('the login form works without JavaScript', async () => {
    await visit({ javaScriptEnabled: false }, async (tab) => {
      await tab.goto(`${origin}/form`);
      assert.equal(await tab.getByRole('button', { name: 'Show password' }).count(), 0);
      await tab.getByLabel('Email').fill('ana@example.com');
      await tab.getByLabel('Password', { exact: true }).fill('secret');
      await tab.keyboard.press('Enter');
      await tab.waitForURL('**/posted');
      assert.deepEqual(JSON.parse((await tab.locator('body').textContent())!), {
        csrf: 'csrf-1',
        connection: 'c0',
        email: 'ana@example.com',
        password: 'secret',
      });
    });
  });

  test('"Show" shows the password and says "Hide"; pressing twice posts once', async () => {
    await visit({}, async (tab) => {
      await tab.goto(`${origin}/form?slow`);
      const password = tab.locator('#password');
      await password.fill('secret');
      await tab.getByRole('button', { name: 'Show password' }).click();
      assert.equal(await password.getAttribute('type'), 'text');
      assert.equal(await tab.getByRole('button', { name: 'Hide password' }).textContent(), 'Hide');
      const before = posts.count;
      // In one go: once the post is under way, the tab answers from the next page.
      const twice = "for (const press of [1, 2]) document.querySelector('.primary').click();";
      assert.equal(await tab.evaluate(`${twice} document.getElementById('password').type`), 'password');
      await tab.waitForURL('**/posted');
      assert.equal(posts.count - before, 1);
      await tab.goBack();
      await tab.locator('.primary').click();
      await tab.waitForURL('**/posted');
      assert.equal(posts.count - before, 2);
    });
  });

  test('after the post the browser goes on to another origin where the page lets it, and nowhere else', async () => {
    const elsewhere = origin.replace('127.0.0.1', 'localhost');
    const to = `${elsewhere}/posted`;
    const post = (page: string, until: (tab: Tab) => Promise<unknown>) =>
      visit({}, async (tab) => {
        await tab.goto(`${origin}/form?to=${encodeURIComponent(to)}${page}`);
        const reached = until(tab);
        await tab.locator('.primary').click();
        await reached;
      });
    await post('', (tab) => tab.waitForURL(to));
    // What Chromium refuses it reports on the console, and a complaint fails the visit.
    await assert.rejects(
      post('&closed', (tab) => tab.waitForEvent('console')),
      /form-action/,
    );
  });

  test('the playground logs in, shows what it got, refreshes and logs out', async () => {
    await visit({ permissions: ['clipboard-read', 'clipboard-write'] }, async (tab) => {
      await tab.goto(`${origin}/playground`);
      await tab.getByRole('button', { name: 'Log in' }).click();
      await tab.getByRole('heading', { name: 'ID token' }).waitFor();
      await tab.locator('#userinfo dd', { hasText: 'Ana Soto' }).waitFor();
      assert.equal(new URL(tab.url()).search, '');
      assert.match((await tab.locator('#id_token [data-part=claims]').textContent())!, /nonce/);
      assert.match((await tab.locator('#access_token [data-part=header]').textContent())!, /at\+jwt/);
      await tab.locator('#access_token [data-copy]').click();
      await tab.getByText('Copied').waitFor();
      assert.equal(
        await tab.evaluate('navigator.clipboard.readText()'),
        await tab.locator('#access_token [data-raw]').textContent(),
      );
      await tab.getByRole('button', { name: 'Refresh tokens' }).click();
      await tab.getByText('Tokens refreshed').waitFor();
      await tab.getByRole('button', { name: 'Log out' }).click();
      await tab.getByRole('button', { name: 'Log in' }).waitFor();
    });
  });

  test('the playground refuses an answer that it did not ask for, and one from another issuer', async () => {
    await visit({}, async (tab) => {
      await tab.goto(`${origin}/playground?code=x&state=forged&iss=${encodeURIComponent(origin)}`);
      await tab.getByText('state: not the one that this tab sent').waitFor();
      await tab.evaluate(`sessionStorage.setItem('playground.flow', '{"state":"s","nonce":"n","verifier":"v"}')`);
      await tab.goto(`${origin}/playground?code=x&state=s&iss=https://evil.example`);
      await tab.getByText('iss: expected').waitFor();
    });
  });
});

type Sample = { label: string; one: Page<PageData>; data: PageData };

const common = (locale: string) => sampler(locale).common;

const login = (locale: string) => loginPage.samples(sampler(locale)).login!;

const playground = () => playgroundPage.samples(sampler('en')).playground!;

/** One of each page and of each of its states; with long names, hostile text or a hostile address in every field. */
const samples = (locale: string, twist?: Twist): Sample[] =>
  pages.flatMap((one) =>
    Object.entries(one.samples(sampler(locale, twist))).map(([label, data]) => ({ label, one, data })),
  );

/** The pages that are gone as soon as they are there, and have no picture. */
function answers(): Sample[] {
  const answer = { ...common('en'), appName: 'Orders' };
  const form = { ...answer, action: 'https://app.example', fields: { code: 'c' } };
  const message = { ...answer, target: 'https://app.example', message: '{}' };
  const onward = { ...answer, onward: { href: '/logout' } };
  return [
    { label: 'form-post', one: formPostPage, data: form },
    { label: 'web-message', one: webMessagePage, data: message },
    { label: 'onward', one: signedOutPage, data: onward },
  ];
}

/** A page without what it says: two that differ in words alone have one shape. */
const shapeOf = (html: string): string =>
  html
    .replace(/>[^<]*[^<\s][^<]*/g, '>x')
    .replace(/\s(value|href|action|content|nonce|alt|src|aria-label|placeholder|data-[a-z-]+)="[^"]+"/g, ' $1="x"');

/** How wide a page becomes: in both directions of reading, and with larger text. */
const WIDTHS = `['100%', '200%'].flatMap((size) => ['rtl', 'ltr'].map((dir) => {
  const root = document.documentElement;
  root.style.fontSize = size;
  root.dir = dir;
  return [size + ' ' + dir, root.scrollWidth];
}))`;

const posts = { count: 0 };

/** The samples, a form that says what it was sent, and just enough of a provider for the playground. */
function server(): FastifyInstance {
  const app = fastify();
  app.register(assets);
  app.register(formbody);
  serveAxe(app);
  app.get('/faulty', (_, reply) =>
    reply
      .type('text/html')
      .send('<!doctype html><title>x</title><main><img src="x"><input><p style="color:#aaa">Pale</p></main>'),
  );

  app.get<{ Params: { locale: string; length: string; label: string } }>(
    '/sample/:locale/:length/:label',
    (request, reply) => {
      const { locale, length, label } = request.params;
      const sample = samples(locale, { long: length === 'long' }).find((one) => one.label === label)!;
      return renderPage(reply, sample.one, sample.data);
    },
  );

  app.get<{ Querystring: { to?: string; closed?: string } }>('/form', ({ query, url }, reply) =>
    query.closed === undefined
      ? renderPage(reply, loginPage, { ...login('en'), action: url })
      : renderPage(reply, logoutPage, { ...logoutPage.samples(sampler('en')).logout!, action: url }),
  );
  const sent: { body: unknown } = { body: undefined };
  app.post<{ Querystring: { to?: string; slow?: string } }>('/form', async ({ query, body }, reply) => {
    posts.count++;
    sent.body = body;
    if (query.slow !== undefined) await new Promise((resolve) => setTimeout(resolve, 300));
    return reply.redirect(query.to ?? '/posted', 303);
  });
  app.get('/posted', () => sent.body ?? {});

  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const jwt = (typ: string, claims: object) => `${encode({ alg: 'none', typ })}.${encode(claims)}.`;
  let asked: Record<string, string> = {};
  const issuer = () => `http://127.0.0.1:${(app.addresses()[0] as { port: number }).port}`;
  app.get('/playground', (_, reply) => renderPage(reply, playgroundPage, playground()));
  app.get('/.well-known/openid-configuration', () => ({
    issuer: issuer(),
    authorization_endpoint: `${issuer()}/authorize`,
    token_endpoint: `${issuer()}/oauth/token`,
    userinfo_endpoint: `${issuer()}/me`,
    end_session_endpoint: `${issuer()}/logout`,
    authorization_response_iss_parameter_supported: true,
  }));
  app.get<{ Querystring: Record<string, string> }>('/authorize', ({ query }, reply) => {
    asked = query;
    return reply.redirect(
      `${query.redirect_uri}?${new URLSearchParams({ code: 'c1', state: query.state!, iss: issuer() })}`,
    );
  });
  app.post<{ Body: Record<string, string> }>('/oauth/token', ({ body }, reply) => {
    const proof = createHash('sha256')
      .update(body.code_verifier ?? '')
      .digest('base64url');
    const honest = body.grant_type === 'refresh_token' ? body.refresh_token === 'r1' : proof === asked.code_challenge;
    if (!honest) return reply.code(400).send({ error: 'invalid_grant' });
    const claims = { iss: issuer(), sub: 'usr_1', aud: 'playground', exp: 2_000_000_000, nonce: asked.nonce };
    return reply.send({
      id_token: jwt('JWT', claims),
      access_token: jwt('at+jwt', claims),
      refresh_token: 'r1',
      token_type: 'Bearer',
      expires_in: 60,
    });
  });
  app.get('/me', () => ({ sub: 'usr_1', name: 'Ana Soto' }));
  app.get<{ Querystring: Record<string, string> }>('/logout', ({ query }, reply) =>
    reply.redirect(query.id_token_hint ? query.post_logout_redirect_uri! : '/'),
  );
  return app;
}
