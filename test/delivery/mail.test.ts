/** What people are mailed: in their language, in the tenant's look and words, readable in development without a server. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeMail } from '../../src/domain/mail/compose.ts';
import { smsText } from '../../src/domain/message/define-sms.ts';
import { MAILS } from '../../src/domain/message/index.ts';
import { smsCode } from '../../src/domain/message/sms-code.ts';
import { markEmailBounced } from '../../src/domain/user/user.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { available } from '../../src/look/words.ts';
import { outbox } from '../../src/outbox/outbox.ts';
import { failAt, WRITES } from '../kit/faults.ts';
import { passwordGrant, type TenantHandle, world } from '../kit/index.ts';
import { followLink, lastLink, mailbox, textCode } from '../kit/mailbox.ts';

const w = await world({ env: { POSTMARK_WEBHOOK_SECRET: 'a password of the webhook' } });
const t = await w.tenant('Acme & Söhne <b>');
const other = await w.tenant('Other');

type Read = { id: string; to: string; subject: string; text: string; html: string; template: string; channel: string };
async function outboxOf(at: { origin: string }, to?: string): Promise<Read[]> {
  const query = to === undefined ? '' : `?${new URLSearchParams({ to })}`;
  const answer = await w.send(`${at.origin}/dev/outbox${query}`, { headers: { accept: 'application/json' } });
  assert.equal(answer.status, 200);
  return answer.body.results;
}
async function verification(at: TenantHandle, user: { id: string; email: string }): Promise<Read> {
  await at.api('POST', `/user/${user.id}/verify-email/start`, {});
  await w.deliver();
  return (await outboxOf(at, user.email))[0]!;
}

describe('the development outbox', () => {
  test('has what would have been sent, for its tenant alone, by address', async () => {
    const [ana, ben] = [await t.user(), await t.user()];
    const [first, second] = [await verification(t, ana), await verification(t, ben)];
    assert.deepEqual([first.to, first.channel, first.template], [ana.email, 'mail', 'verify_email']);
    assert.deepEqual(
      (await outboxOf(t)).map(({ id }) => id),
      [second.id, first.id],
    );
    assert.deepEqual(await outboxOf(other), []);
    // A page for whoever names HTML, in any spelling; the others are programs.
    const read = {
      'text/html,*/*;q=0.8': 'text/html',
      'application/json, Text/HTML': 'text/html',
      '*/*': 'application/json',
    };
    for (const path of ['', `/${first.id}`])
      for (const [accept, type] of Object.entries(read)) {
        const { headers } = await w.send(`${t.origin}/dev/outbox${path}`, { headers: { accept } });
        assert.equal(headers.get('content-type')?.split(';')[0], type, `${path} ${accept}`);
        assert.match(headers.get('vary') ?? '', /accept/i);
      }
    for (const address of ['', '/html']) {
      const theirs = await w.send(`${other.origin}/dev/outbox/${first.id}${address}`);
      assert.equal(theirs.status, 404);
    }
  });

  test('has text messages as well: a code first, in one segment, and for the browser at its host', async () => {
    const host = new URL(t.origin).hostname;
    const words = { en: 'is your code for', es: 'es tu clave para' };
    for (const [locale, said] of Object.entries(words)) {
      const user = await t.user();
      const to = locale === 'en' ? '+34600000001' : '+34600000002';
      await t.api('POST', `/user/${user.id}`, { phone: to, locale });
      await textCode(t, to, user.id);
      await w.deliver();
      // As a person types it, too: a plus reads as a space.
      const { body } = await w.send(`${t.origin}/dev/outbox?to=${to}`, { headers: { accept: 'application/json' } });
      const [message, ...more] = body.results;
      assert.deepEqual([more, body.results, await outboxOf(other, to)], [[], await outboxOf(t, to), []]);
      const { id, text, created_at, ...rest } = message;
      assert.deepEqual(rest, { channel: 'sms', to, subject: null, html: null, template: 'sms_code' });
      const [first, , last, ...none] = text.split('\n');
      assert.ok(first.startsWith(`482913 ${said} Acme & Söhne <b>.`), text);
      assert.match(first, / 5 (minutes|minutos)\./);
      assert.deepEqual([last, none], [`@${host} #482913`, []]);
      assert.ok(text.length <= 160 && !/[^\n -~ö]/.test(text), 'in the alphabet of 160');
      assert.match((await w.send(`${t.origin}/dev/outbox`, { headers: { accept: 'text/html' } })).text, /482913/);
      const page = await w.send(`${t.origin}/dev/outbox/${id}`, { headers: { accept: 'text/html' } });
      assert.match(page.text, /482913/);
      assert.doesNotMatch(page.text, /<iframe/);
    }
  });

  test('has no text message for what is no number with its country', async () => {
    for (const to of ['600123456', '+34 600 123 456', '+0600123456', 'ana@example.com']) {
      await textCode(t, to);
      await w.deliver();
      const [row] = await outbox.all(asTenant({ id: t.id } as never, ''), {
        to: { $eq: to },
        type: { $eq: 'sms_code' },
      });
      assert.deepEqual([row?.state, row?.last_error?.slice(0, 18)], ['abandoned', 'not a phone number'], to);
    }
  });

  test('shows a mail as it is read: without scripts, framed by its own page alone', async () => {
    const { id, html } = await verification(t, await t.user());
    const page = await w.send(`${t.origin}/dev/outbox/${id}`, { headers: { accept: 'text/html' } });
    assert.match(page.headers.get('content-security-policy')!, /frame-src http:/);
    assert.match(page.text, new RegExp(`<iframe[^>]+src="/dev/outbox/${id}/html"[^>]+sandbox=`));
    const framed = await w.send(`${t.origin}/dev/outbox/${id}/html`);
    const policy = framed.headers.get('content-security-policy')!;
    assert.match(policy, /default-src 'none'.*frame-ancestors 'self'; sandbox (?!.*allow-scripts)/);
    assert.equal(framed.text.replace('<base target="_top">', ''), html);
  });

  test('keeps nothing that a thief of the database could follow', async () => {
    const { text } = await verification(t, await t.user());
    const link = /https?:\S+ticket=\S+/.exec(text)![0];
    const { default: mongoose } = await import('mongoose');
    const rows = await mongoose.connection.db!.collection('keptmessages').find({ account: t.id }).toArray();
    assert.ok(rows.length > 0 && !JSON.stringify(rows).includes(link.split('=')[1]!));
  });
});

describe('a mail', () => {
  test('speaks the language of its user, else the tenant’s first', async () => {
    const [ana, ben] = [await t.user({ locale: 'es-MX' }), await t.user()];
    assert.equal((await verification(t, ana)).subject, 'Confirma tu correo en Acme & Söhne <b>');
    assert.equal((await verification(t, ben)).subject, 'Confirm your email for Acme & Söhne <b>');
  });

  test('every kind in every language, with its link or code in both parts and no markup of a stranger', async () => {
    const hostile = asTenant(
      {
        id: t.id,
        name: '<img src=x onerror=alert(1)>{{ to }}\n\n\u202eLOCKED',
        enabled_locales: [...available],
        branding: { primary_color: '"><script>' },
        logo_src: '"><script>alert(1)</script>',
      } as never,
      t.origin,
    );
    for (const { type, template, samples } of MAILS)
      for (const [name, sample] of Object.entries(samples as Record<string, Record<string, unknown>>))
        for (const locale of available) {
          const data = { ...sample, locale, team: '<script>x</script>\n\n\u202eLOCKED', new_email: '<i>@example.com' };
          const { subject, html, text } = await composeMail(hostile, { template, to: 'ana@example.com', data });
          const which = `${type} ${name} ${locale}`;
          assert.ok(subject.length > 5 && subject.length < 200, which);
          assert.doesNotMatch(html, /<script|<img src=x|<i>|\{\{ (?!to)|undefined|\[object/, which);
          assert.doesNotMatch(text, /\{\{ (?!to)|undefined|\[object|<h1|<p|^\s*LOCKED/m, which);
          assert.doesNotMatch(subject + html + text, /\u202e/, which);
          assert.match(html, new RegExp(`<html lang="${locale}"`), which);
          for (const needed of [sample.link, sample.code]) {
            if (typeof needed !== 'string') continue;
            assert.ok(html.replaceAll(' ', '').includes(needed) && text.replaceAll(' ', '').includes(needed), which);
          }
        }
    const texted = smsText(
      asTenant({ ...hostile.account, name: 'Acme\n@evil.example #1' } as never, t.origin),
      smsCode,
      {
        code: '482913',
        expires_in: 300,
      },
    );
    assert.equal(texted.split('\n').length, 3, texted);
  });

  test('says to who was invited and known that the team has one more, once', async () => {
    const [team, user] = [await t.api('POST', '/team', { name: 'Warehouse' }), await t.user()];
    for (const status of ['added', 'added'])
      assert.equal((await t.api('POST', `/team/${team.id}/invite`, { email: user.email })).status, status);
    await w.deliver();
    const [mail, ...more] = await outboxOf(t, user.email);
    assert.deepEqual([mail!.template, more], ['team_member_added', []]);
    assert.match(mail!.text, /added you to the team Warehouse/);
    // A server that was killed between the intent and the member.
    const stranger = await t.user();
    const killed = failAt(1, ['insert'], (what) => what === 'insert teammembers');
    assert.equal((await t.call('POST', `/team/${team.id}/invite`, { email: stranger.email })).status, 500);
    killed.restore();
    await outbox.model.updateMany({ account: t.id, to: stranger.email }, { $set: { due: new Date(0) } });
    await w.deliver();
    assert.deepEqual(await outboxOf(t, stranger.email), []);
  });

  test('is not written to an address that bounced, until its user has another', async () => {
    const user = await t.user();
    await markEmailBounced(asTenant({ id: t.id } as never, t.origin), user.email);
    assert.ok((await t.api('GET', `/user/${user.id}`)).email_bounced_at);
    assert.equal(await verification(t, user), undefined);
    const [row] = (await t.api('GET', `/log?query=type:email.verify_email user:${user.id}`)).results;
    assert.deepEqual([row.status, row.data.given_up], ['skipped', true]);
    const email = `new-${user.email}`;
    assert.equal((await t.api('POST', `/user/${user.id}`, { email })).email_bounced_at, null);
    assert.equal((await verification(t, { ...user, email })).to, email);
  });
});

describe('a mail template of a tenant’s own', () => {
  const own = {
    template: 'verify_email',
    locale: 'en',
    subject: 'Hi {{ to }}',
    html: '<h1>{{ tenant }}</h1><a href="{{ link }}">{{ "mail.verify_email.action" | words }}</a>',
    text: 'Go to {{ link }}',
  };

  test('is used in its language, while it is active, by its tenant alone', async () => {
    const made = await t.api('POST', '/mailtemplate', own);
    const [user, spanish] = [await t.user(), await t.user({ locale: 'es' })];
    const mail = await verification(t, user);
    assert.equal(mail.subject, `Hi ${user.email}`);
    assert.match(mail.html, /<h1>Acme &amp; Söhne &lt;b&gt;<\/h1><a href="http[^"]+">Confirm email<\/a>/);
    assert.match(mail.text, /^Go to http\S+\n/);
    assert.match((await verification(t, spanish)).subject, /^Confirma/);
    assert.match((await verification(other, await other.user())).subject, /^Confirm your email/);
    await t.api('POST', `/mailtemplate/${made.id}`, { active: false });
    assert.match((await verification(t, await t.user())).subject, /^Confirm your email/);
    await t.api('DELETE', `/mailtemplate/${made.id}`);
  });

  test('that cannot be rendered, or leaves its reader without the link, is refused and says where', async () => {
    const token = await t.token();
    const refusals: [Partial<typeof own>, string, RegExp][] = [
      [{ html: '{{ link' }, '/html', /not closed/],
      [{ html: '{{ nobody }}{{ link }}' }, '/html', /undefined variable: nobody/],
      [{ html: '{{ link | fly }}' }, '/html', /undefined filter: fly/],
      [{ text: '{{ "mail.nothing" | words }}{{ link }}' }, '/text', /no words for mail\.nothing/],
      [{ html: '<p>hello</p>' }, '/html', /must show \{\{ link \}\}/],
      [{ text: 'hello' }, '/text', /must show \{\{ link \}\}/],
      [{ subject: '{{ "" }}' }, '/subject', /empty/],
      [{ html: '{% render "../../package.json" %}{{ link }}' }, '/html', /ENOENT|Failed to lookup/],
      [{ html: '{% for i in (1..100000000) %}x{% endfor %}{{ link }}' }, '/html', /limit/],
      [{ html: '{{ link }}{{ tenant.constructor.constructor }}' }, '/html', /undefined variable/],
    ];
    for (const [patch, path, message] of refusals)
      for (const address of ['/mailtemplate', '/mailtemplate/preview']) {
        const preview = address.endsWith('preview');
        if (preview && /must show|empty/.test(message.source)) continue;
        const answer = await w.call(t.origin, token, 'POST', address, { ...own, ...patch });
        assert.equal(answer.status, 400, `${address} ${JSON.stringify(patch)} ${answer.text}`);
        assert.equal(answer.body.details[0].path, path);
        assert.match(answer.body.details[0].message, message);
      }
    assert.deepEqual((await t.api('GET', '/mailtemplate')).results, []);
  });

  test('starts from ours, which can be listed and looked at', async () => {
    const { results } = await t.api('GET', '/mailtemplate/defaults');
    assert.deepEqual(
      results.map(({ template }: { template: string }) => template).sort(),
      [...new Set(MAILS.map(({ template }) => template))].sort(),
    );
    for (const { template, variables } of results)
      assert.deepEqual(variables, [...new Set(variables)], `${template}: each variable once`);
    for (const { template, subject, html, text, cases } of results)
      for (const locale of available) {
        const asIs = await t.api('POST', '/mailtemplate', { template, locale, subject, html, text });
        await t.api('DELETE', `/mailtemplate/${asIs.id}`);
        for (const one of cases) {
          const shown = await t.api('POST', '/mailtemplate/preview', { template, locale, case: one });
          assert.ok(shown.subject && shown.html.startsWith('<!doctype html>') && shown.text);
        }
      }
  });

  test('is for administrators who may', async () => {
    const reader = await t.token('read:mailtemplates');
    assert.equal((await w.call(t.origin, reader, 'POST', '/mailtemplate', own)).status, 403);
    const shown = await w.call(t.origin, reader, 'POST', '/mailtemplate/preview', {
      template: 'verify_email',
      locale: 'en',
    });
    assert.equal(shown.status, 200);
    const nobody = await t.token('read:users');
    assert.equal((await w.call(t.origin, nobody, 'GET', '/mailtemplate/defaults')).status, 403);
  });
});

describe('what Postmark says later', () => {
  const secret = 'a password of the webhook';
  const basic = (password: string) => ({
    authorization: `Basic ${Buffer.from(`postmark:${password}`).toString('base64')}`,
  });
  const tell = (body: object, headers: Record<string, string> = basic(secret)) =>
    w.send(`${w.originOf()}/webhooks/postmark`, { method: 'POST', json: body, headers });
  const deliveryTo = async (at: TenantHandle, user: { id: string; email: string }) => {
    await verification(at, user);
    return (await outbox.model.findOne({ account: at.id, to: user.email }).lean())!._id;
  };
  const bouncedAt = async (at: TenantHandle, { id }: { id: string }) =>
    (await at.api('GET', `/user/${id}`)).email_bounced_at ?? null;

  test('a bounce or a complaint marks the address where the mail came from, and nowhere else', async () => {
    const events = [
      { RecordType: 'Bounce', Type: 'HardBounce' },
      { RecordType: 'SpamComplaint', Type: 'SpamComplaint' },
      { RecordType: 'SubscriptionChange', SuppressSending: true },
    ];
    for (const event of events) {
      const user = await t.user();
      const namesake = await other.api('POST', '/user', { email: user.email });
      const delivery = await deliveryTo(t, user);
      assert.equal((await tell({ ...event, Email: user.email, Metadata: { delivery } })).status, 200);
      assert.ok(await bouncedAt(t, user), event.RecordType);
      assert.equal(await bouncedAt(other, namesake), null);
    }
  });

  test('anything else has no effect', async () => {
    const user = await t.user();
    const delivery = await deliveryTo(t, user);
    const events = [
      { RecordType: 'Bounce', Type: 'SoftBounce', Metadata: { delivery } },
      { RecordType: 'Delivery', Metadata: { delivery } },
      { RecordType: 'Bounce', Type: 'HardBounce', Email: user.email, Metadata: { delivery: { $ne: null } } },
      { RecordType: 'Bounce', Type: 'HardBounce', Email: user.email },
      {},
    ];
    for (const event of events) assert.equal((await tell(event)).status, 200);
    assert.equal(await bouncedAt(t, user), null);
  });

  test('is believed with the password only', async () => {
    const user = await t.user();
    const event = { RecordType: 'SpamComplaint', Metadata: { delivery: await deliveryTo(t, user) } };
    for (const headers of [{}, basic('wrong'), { authorization: 'Basic' }, { authorization: `Bearer ${secret}` }]) {
      const refused = await tell(event, headers as Record<string, string>);
      assert.equal(refused.status, 401);
    }
    assert.equal(await bouncedAt(t, user), null);
  });
});

describe('what is mailed of itself to a new user', () => {
  const settings = (at: TenantHandle, notification_settings: object) =>
    at.api('POST', `/account/${at.id}`, { notification_settings });
  const templates = async (at: { origin: string }, to: string) => {
    await w.deliver();
    return (await outboxOf(at, to)).map(({ template }) => template).toSorted();
  };
  const lastVerification = async (to: string) =>
    (await mailbox(t, to)).find(({ type }) => type === 'verify_email')!.data.link as string;
  const linkIn = ({ text }: Read, path: string) => new RegExp(`https?:\\S+${path}\\S*`).exec(text)![0];

  test('is nothing unless the account says so, and a link that verifies and a welcome where it does', async () => {
    const silent = await other.user();
    assert.deepEqual(await templates(other, silent.email), []);
    await settings(t, { verify_email_auto_send: true, welcome_email_enabled: true });
    const [plain, verified] = [await t.user({ locale: 'es' }), await t.user({ email_verified: true })];
    await t.api('POST', '/user', { name: 'Without an address' });
    assert.deepEqual(await templates(t, plain.email), ['verify_email', 'welcome']);
    assert.deepEqual(await templates(t, verified.email), ['welcome']);
    const mails = await outboxOf(t, plain.email);
    const welcome = mails.find(({ template }) => template === 'welcome')!;
    assert.equal(welcome.subject, 'Te damos la bienvenida a Acme & Söhne <b>');
    assert.equal(linkIn(welcome, ':'), `${t.origin}/`);
    // What an administrator set after the mail had gone out is the user's.
    const link = linkIn(mails.find(({ template }) => template === 'verify_email')!, '/verify-email');
    assert.equal((await followLink(link)).status, 'verified');
    const door = await t.client({ grant_types: ['password'] });
    const { password } = plain;
    const email = 'whole@example.com';
    const { id } = await t.api('POST', '/user', { email, password });
    await t.api('POST', '/connection', { connection_name: 'second', connection_type: 'database' });
    const second = (await t.api('GET', '/connection?query=connection_name:second')).results[0].id;
    await t.api('POST', '/credentials', { user: id, connection: second, username: 'whole', password });
    assert.equal((await followLink(await lastVerification(email))).status, 'verified');
    assert.equal((await t.api('GET', `/credentials?query=user:${id}`)).results.length, 2);
    assert.equal((await passwordGrant(t, door, plain)).status, 200);
  });

  test('goes to who comes by an invitation too, and to nobody whom an import brings', async () => {
    const team = await t.api('POST', '/team', { name: 'Newcomers' });
    await t.api('POST', `/team/${team.id}/invite`, { email: 'invited@example.com' });
    await followLink(await lastLink(t, 'invited@example.com'));
    assert.deepEqual(await templates(t, 'invited@example.com'), ['team_invite', 'welcome']);
    const line = JSON.stringify({ email: 'imported@example.com' });
    const imported = await w.send(`${t.origin}/user/import`, {
      method: 'POST',
      body: line,
      headers: { 'content-type': 'application/x-ndjson', authorization: `Bearer ${t.adminToken}` },
    });
    assert.equal(imported.status, 200, imported.text);
    assert.deepEqual(await templates(t, 'imported@example.com'), []);
  });

  test('is sent where the user was made, and not where a crash came before', async () => {
    let complete = false;
    for (let n = 1; !complete; n += 1) {
      const email = `crash${n}@example.com`;
      const fault = failAt(n, WRITES);
      const answer = await t.call('POST', '/user', { email });
      fault.restore();
      complete = fault.refused.length === 0;
      assert.ok(n < 20);
      const made = (await t.api('GET', `/user?query=email:${email}`)).results.length === 1;
      assert.ok(made || answer.status >= 500);
      await outbox.model.updateMany({ account: t.id, to: email }, { $set: { due: new Date(0) } });
      assert.deepEqual(await templates(t, email), made ? ['verify_email', 'welcome'] : [], `${n} ${fault.refused[0]}`);
    }
  });
});
