/** Every channel there is passes the suite. */
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { channels } from '../../src/delivery/channels/index.ts';
import { markEmailBounced } from '../../src/domain/user/user.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { listen, tokensOf, world } from '../kit/index.ts';
import { logoutReceiver } from '../kit/logout-receiver.ts';
import { mailServer } from '../kit/mail-server.ts';
import { textCode } from '../kit/mailbox.ts';
import { webhookReceiver } from '../kit/webhook-receiver.ts';
import { type ChannelCase, channelSuite } from '../suites/channel.ts';

const post = await mailServer({ plain: true });
const phones = await listen();
const texted = { to: [] as string[], refusal: undefined as string | undefined };
phones.serve(async (request, response) => {
  texted.to.push(new URLSearchParams(await text(request)).get('To')!);
  const said = texted.refusal === undefined ? { sid: 'SM1' } : { code: 20500, message: texted.refusal };
  response.writeHead(texted.refusal === undefined ? 201 : 500, { 'content-type': 'application/json' });
  response.end(JSON.stringify(said));
});
const w = await world({
  env: {
    SMTP_URL: post.url,
    MAIL_FROM: 'no-reply@example.com',
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: 'token',
    SMS_FROM: 'Cardea',
    TWILIO_URL: phones.origin,
  },
});

let numbers = 0;

const CASES: ChannelCase[] = [
  {
    name: 'backchannel-logout',
    audit: 'auth.logout.backchannel',
    async receiver(_w, t) {
      const { url, state } = await logoutReceiver();
      const client = await t.client({ backchannel_logout_uri: url });
      return {
        async cause() {
          const { tokens, visit } = await tokensOf(t, client, await t.user());
          await visit(`${t.origin}/logout?${new URLSearchParams({ id_token_hint: tokens.id_token! })}`);
        },
        received: () => state.bodies.length,
        refuse: (words) => {
          state.answer = (response) => void response.writeHead(503).end(words);
        },
        leave: () => t.api('POST', `/client/${client.id}`, { backchannel_logout_uri: null }),
      };
    },
  },
  {
    name: 'webhook',
    audit: 'webhook.team.created',
    async receiver(_w, t) {
      const { url, secret, state } = await webhookReceiver();
      const config = { url, secret };
      const { id } = await t.api('POST', '/notificationsubscription', {
        events: ['team.created'],
        channel: 'webhook',
        config,
      });
      return {
        cause: () => t.api('POST', '/team', { name: 'Warehouse' }),
        received: () => state.deliveries.length,
        refuse: (words) => {
          state.answer = (response) => void response.writeHead(503).end(words);
        },
        leave: () => t.api('POST', `/notificationsubscription/${id}`, { active: false }),
      };
    },
  },
  {
    name: 'mail',
    audit: 'email.verify_email',
    async receiver(_w, t) {
      const user = await t.user();
      post.state.refusal = undefined;
      return {
        cause: () => t.api('POST', `/user/${user.id}/verify-email/start`, {}),
        received: () => post.to(user.email).length + post.state.refused.filter((to) => to === user.email).length,
        refuse: (words) => {
          post.state.refusal = { code: 451, words };
        },
        leave: () => markEmailBounced(asTenant({ id: t.id } as never, t.origin), user.email),
      };
    },
  },
  {
    name: 'sms',
    audit: 'sms.sms_code',
    async receiver(_w, t) {
      const user = await t.user();
      const to = `+3460${String(++numbers).padStart(7, '0')}`;
      await t.api('POST', `/user/${user.id}`, { phone: to.replace(/^(...)/, '$1 ') });
      texted.refusal = undefined;
      return {
        cause: () => textCode(t, to, user.id),
        received: () => texted.to.filter((number) => number === to).length,
        refuse: (words) => {
          texted.refusal = words;
        },
        leave: () => t.api('POST', `/user/${user.id}`, { phone: '+34 611 111 111' }),
      };
    },
  },
];

for (const one of CASES) channelSuite(w, one);

test('no channel is without its case', () => {
  assert.deepEqual(
    CASES.map(({ name }) => name),
    channels({ mail: {}, sms: {} } as never).map(({ name }) => name),
  );
});
