/** The ways for mails to leave: what each sends, over which connection, and what it makes of a refusal. */
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { reasonOf } from '../../src/delivery/channel.ts';
import { mailTransport } from '../../src/delivery/mail/index.ts';
import { isBounce, type Mail } from '../../src/delivery/mail/transport.ts';
import { smsTransport } from '../../src/delivery/sms/index.ts';
import { closers, listen } from '../kit/index.ts';
import { mailServer } from '../kit/mail-server.ts';
import { certificate } from '../kit/tls.ts';

const tenant = {} as never;
const mail = (more: Partial<Mail> = {}): Mail => ({
  id: 'outbox_0123456789abcdef01234567',
  from: { name: 'Acme "Ltd", Bücher', address: 'no-reply@example.com' },
  to: 'ana@example.com',
  subject: 'Confirm your email for Acme',
  html: '<p>html</p>',
  text: 'words\n',
  template: 'verify_email',
  ...more,
});
/** How a mail did not leave. */
async function outcome(sending: Promise<unknown>) {
  const error: unknown = await sending.then(
    () => assert.fail('it left'),
    (refused: unknown) => refused,
  );
  return { ...reasonOf(error), bounced: isBounce(error) };
}
const smtp = (url: string) => {
  const transport = mailTransport({ by: 'smtp', url });
  closers.push(async () => transport.close?.());
  return transport;
};
test.after(async () => {
  for (const close of closers.reverse()) await close();
});

const tls = certificate();
const ours = getCACertificates('default');
const trusting = async (run: () => Promise<void>) => {
  setDefaultCACertificates([...ours, tls.cert]);
  await run().finally(() => setDefaultCACertificates(ours));
};

describe('SMTP', () => {
  test('one mail in HTML and text, from the tenant by name, with an id that stays the same', async () => {
    const server = await mailServer({ plain: true });
    const transport = smtp(server.url);
    await transport.send(tenant, mail());
    await transport.send(tenant, mail());
    const [one, two] = server.state.mails;
    assert.deepEqual([one!.from, one!.to], ['no-reply@example.com', ['ana@example.com']]);
    for (const header of [
      /^From: .*<no-reply@example\.com>$/m,
      /^To: ana@example\.com$/m,
      /^Subject: Confirm your email for Acme$/m,
      /^Message-ID: <outbox_0123456789abcdef01234567@example\.com>$/m,
      /^Auto-Submitted: auto-generated$/m,
      /^Content-Type: multipart\/alternative/m,
    ])
      assert.match(one!.raw.replaceAll('\r', ''), header);
    assert.ok(one!.raw.includes('<p>html</p>') && one!.raw.includes('words'));
    const idOf = ({ raw }: { raw: string }) => /^Message-ID: (.*)$/m.exec(raw)![1];
    assert.equal(idOf(two!), idOf(one!));
  });

  test('a name or an address cannot add a recipient or a header', async () => {
    const server = await mailServer({ plain: true });
    const transport = smtp(server.url);
    const from = { name: 'Acme\r\nBcc: eve@example.com', address: 'no-reply@example.com' };
    await transport.send(tenant, mail({ from, subject: 'Hello\r\nBcc: eve@example.com' }));
    const [received] = server.state.mails;
    assert.deepEqual(received!.to, ['ana@example.com']);
    assert.doesNotMatch(received!.raw, /^Bcc:/m);
    await transport.send(tenant, mail({ to: 'ana@example.com, eve@example.com' })).catch(() => {});
    assert.deepEqual(server.to('eve@example.com'), []);
  });

  test('a password goes over TLS that can be verified, and nowhere else', async () => {
    const login = { user: 'cardea', password: 'p@ss/word' };
    const server = await mailServer({ ...tls, login });
    await trusting(() => smtp(server.url).send(tenant, mail()));
    assert.deepEqual(
      server.state.mails.map(({ secure, user }) => [secure, user]),
      [[true, 'cardea']],
    );
    const untrusted = await outcome(smtp(server.url).send(tenant, mail()));
    assert.equal(untrusted.final, false, 'the operator may mend it');
    const plain = await mailServer({ plain: true, login });
    assert.equal((await outcome(smtp(plain.url).send(tenant, mail()))).final, false);
    assert.deepEqual([server.state.mails.length, plain.state.mails], [1, []]);
  });

  test('a wrong password is the operator’s to mend: the mail waits', async () => {
    const server = await mailServer({ ...tls, login: { user: 'cardea', password: 'right' } });
    const url = server.url.replace('right', 'wrong');
    await trusting(async () => {
      const { reason, final } = await outcome(smtp(url).send(tenant, mail()));
      assert.deepEqual([reason, final], ['the mail server refused the user name or password', false]);
    });
  });

  for (const [code, words, expected] of [
    [451, '4.7.1 greylisted', { reason: 'the mail server asks to try later (451)', final: false, bounced: false }],
    [550, '5.1.1 no such user', { reason: 'there is no such mailbox (550)', final: true, bounced: true }],
    [550, '5.7.1 blocked', { reason: 'the mail server refused the address (550)', final: true, bounced: false }],
  ] as const)
    test(`a server that says ${code} ${words}`, async () => {
      const server = await mailServer({ plain: true });
      server.state.refusal = { code, words };
      assert.deepEqual(await outcome(smtp(server.url).send(tenant, mail())), expected);
      server.state.refusal = undefined;
      await smtp(server.url).send(tenant, mail());
      assert.equal(server.state.mails.length, 1);
    });

  test('a server that is away', async () => {
    const { port } = await mailServer({ plain: true });
    const nobody = await outcome(smtp(`smtp://localhost:${port === 1 ? 2 : 1}`).send(tenant, mail()));
    assert.deepEqual(nobody, { reason: 'no connection to the mail server', final: false, bounced: false });
  });
});

describe('Postmark', () => {
  async function fake() {
    const { origin, serve } = await listen();
    const state = { sent: [] as Record<string, unknown>[], answer: [200, { ErrorCode: 0 }] as [number, object] };
    serve(async (request, response) => {
      assert.deepEqual([request.method, request.url], ['POST', '/email']);
      assert.equal(request.headers['x-postmark-server-token'], 'token');
      state.sent.push(JSON.parse(await text(request)));
      response.writeHead(state.answer[0], { 'content-type': 'application/json' });
      response.end(JSON.stringify(state.answer[1]));
    });
    return { state, transport: mailTransport({ by: 'postmark', url: origin, token: 'token', stream: 'logins' }) };
  }

  test('one mail in its stream, without anything that follows the reader', async () => {
    const { state, transport } = await fake();
    await transport.send(tenant, mail());
    assert.deepEqual(state.sent, [
      {
        From: '"Acme Ltd, Bücher" <no-reply@example.com>',
        To: 'ana@example.com',
        Subject: 'Confirm your email for Acme',
        HtmlBody: '<p>html</p>',
        TextBody: 'words\n',
        MessageStream: 'logins',
        TrackOpens: false,
        TrackLinks: 'None',
        Tag: 'verify_email',
        Metadata: { delivery: 'outbox_0123456789abcdef01234567' },
        Headers: [{ Name: 'Auto-Submitted', Value: 'auto-generated' }],
      },
    ]);
  });

  for (const [status, ErrorCode, final, bounced] of [
    [422, 406, true, true],
    [422, 300, true, true],
    [422, 400, true, false],
    [401, 10, false, false],
    [429, 0, false, false],
    [500, 0, false, false],
    [200, 405, false, false],
  ] as const)
    test(`an answer of ${status} with the error ${ErrorCode}`, async () => {
      const { state, transport } = await fake();
      state.answer = [status, { ErrorCode, Message: 'the token is hunter2' }];
      const { reason, ...rest } = await outcome(transport.send(tenant, mail()));
      assert.deepEqual(rest, { final, bounced });
      assert.doesNotMatch(reason!, /hunter2/);
    });
});

describe('Twilio', () => {
  const ACCOUNT = `AC${'0'.repeat(32)}`;
  const KEY = `SK${'1'.repeat(32)}`;
  const sms = { id: 'outbox_0123456789abcdef01234567', to: '+34600123456', text: '482913 is your code', template: 'x' };

  /** Takes what Twilio takes, and nothing besides. */
  async function fake(from = '+15005550006', user = ACCOUNT) {
    const { origin, serve } = await listen();
    const state = { sent: [] as Record<string, string>[], answer: [201, { sid: 'SM1' }] as [number, object] };
    serve(async (request, response) => {
      assert.deepEqual(
        [request.method, request.url, request.headers['content-type']],
        ['POST', `/2010-04-01/Accounts/${ACCOUNT}/Messages.json`, 'application/x-www-form-urlencoded;charset=UTF-8'],
      );
      assert.equal(request.headers.authorization, `Basic ${btoa(`${user}:the token`)}`);
      state.sent.push(Object.fromEntries(new URLSearchParams(await text(request))));
      response.writeHead(state.answer[0], { 'content-type': 'application/json' });
      response.end(JSON.stringify(state.answer[1]));
    });
    const settings = { by: 'twilio', url: origin, account: ACCOUNT, user, password: 'the token', from } as const;
    return { state, transport: smsTransport(settings) };
  }

  test('one text message, from a number or by a service, in the name of the account or of a key', async () => {
    const [number, service] = [await fake(), await fake(`MG${'a'.repeat(32)}`, KEY)];
    for (const { transport } of [number, service]) await transport.send(tenant, sms);
    const said = { To: '+34600123456', Body: '482913 is your code' };
    assert.deepEqual(number.state.sent, [{ ...said, From: '+15005550006' }]);
    assert.deepEqual(service.state.sent, [{ ...said, MessagingServiceSid: `MG${'a'.repeat(32)}` }]);
  });

  test('what is wrong with the number is final; what the operator can mend, or time, is tried again', async () => {
    const { state, transport } = await fake();
    const answers: [status: number, code: number, final: boolean, reason: RegExp][] = [
      [400, 21211, true, /no such number/],
      [400, 21610, true, /wants no messages/],
      [400, 21614, true, /takes no text messages/],
      [400, 21617, true, /refused the message/],
      [400, 21408, false, /refused the message \(21408\)/],
      [400, 21606, false, /refused the message \(21606\)/],
      [401, 20003, false, /account or its secret/],
      [429, 20429, false, /try later/],
      [500, 20500, false, /try later/],
      [200, 0, false, /refused the message \(200\)/],
    ];
    for (const [status, code, final, reason] of answers) {
      state.answer = [status, { code, message: 'the token is hunter2' }];
      const told = await outcome(transport.send(tenant, sms));
      assert.deepEqual([told.final, reason.test(told.reason!)], [final, true], `${code} ${told.reason}`);
      assert.doesNotMatch(told.reason!, /hunter2|the token|\+34/);
    }
    const away = smsTransport({
      by: 'twilio',
      url: 'http://127.0.0.1:1',
      account: 'AC',
      user: 'u',
      password: 'p',
      from: '1',
    });
    assert.deepEqual(await outcome(away.send(tenant, sms)), {
      reason: 'no connection to Twilio',
      final: false,
      bounced: false,
    });
  });
});
