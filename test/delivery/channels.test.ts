/** Every channel there is passes the suite. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channels } from '../../src/delivery/channels/index.ts';
import { markEmailBounced } from '../../src/domain/user/user.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { tokensOf, world } from '../kit/index.ts';
import { logoutReceiver } from '../kit/logout-receiver.ts';
import { mailServer } from '../kit/mail-server.ts';
import { webhookReceiver } from '../kit/webhook-receiver.ts';
import { type ChannelCase, channelSuite } from '../suites/channel.ts';

const post = await mailServer({ plain: true });
const w = await world({ env: { SMTP_URL: post.url, MAIL_FROM: 'no-reply@example.com' } });

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
];

for (const one of CASES) channelSuite(w, one);

test('no channel is without its case', () => {
  assert.deepEqual(
    CASES.map(({ name }) => name),
    channels({ mail: {} } as never).map(({ name }) => name),
  );
});
