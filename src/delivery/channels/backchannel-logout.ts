/** The channel that tells a client that a login session has ended (OpenID Connect Back-Channel Logout 1.0 §2.5–2.8). */
import { type Client, clients, isDocumentId } from '../../domain/client/client.ts';
import { wantsToKnow } from '../../domain/protocol/session-end.ts';
import type { Tenant } from '../../kernel/context.ts';
import { type Channel, refusal } from '../channel.ts';
import { type Post, reached } from '../post.ts';

export type BackchannelLogoutParts = {
  /** The client that describes itself at an address. */
  readClient(tenant: Tenant, address: string): Promise<Client | undefined>;
  /** A fresh logout token; undefined when the client is gone. */
  mintLogoutToken(tenant: Tenant, client: string, about: { sub: string; sid?: string }): Promise<string | undefined>;
  post: Post;
};

export function backchannelLogout({
  readClient,
  mintLogoutToken,
  post,
}: BackchannelLogoutParts): Channel<'backchannel-logout'> {
  return {
    name: 'backchannel-logout',

    async send(tenant, { to, data }) {
      const { sub, sid } = data;
      // Read now: an address that was corrected meanwhile is the one to try.
      const find = isDocumentId(to) ? readClient(tenant, to) : clients.find(tenant, to);
      const client = await find.catch((error: unknown) => {
        throw refusal('what the client published about itself could not be read', { cause: error });
      });
      const token = wantsToKnow(client, { sid }) && (await mintLogoutToken(tenant, to, { sub, sid }));
      if (!client || !token) return 'skipped';
      const status = await reached(post(client.backchannel_logout_uri!, { form: { logout_token: token } }));
      // §2.8: 200 is the word, 204 what some frameworks make of it; 400 says that it failed, which may pass.
      if (status !== 200 && status !== 204) throw refusal(`answered ${status}`);
      return 'sent';
    },

    audit: ({ to, data }) => ({ type: 'auth.logout.backchannel', user: data.sub, client: to }),
  };
}
