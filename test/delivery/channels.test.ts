/** Every channel there is passes the suite. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channels } from '../../src/delivery/channels/index.ts';
import { tokensOf, world } from '../kit/index.ts';
import { logoutReceiver } from '../kit/logout-receiver.ts';
import { type ChannelCase, channelSuite } from '../suites/channel.ts';

const w = await world();

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
];

for (const one of CASES) channelSuite(w, one);

test('no channel is without its case', () => {
  assert.deepEqual(
    CASES.map(({ name }) => name),
    channels({} as never).map(({ name }) => name),
  );
});
