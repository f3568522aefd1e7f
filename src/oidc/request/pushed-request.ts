/** Pushed requests (RFC 9126) of public clients: anybody may push them, and each is a row for an hour. */
import { Provider } from 'oidc-provider';
import { countPushed } from '../../auth/open-request.ts';
import type { Tenant } from '../../kernel/context.ts';
import { asGrant } from '../grants/grant-type.ts';

/** Has a Provider count what it keeps for clients without a secret (§2.3: 429). Who authenticates is known and not counted. */
export function limitPushes(provider: Provider, tenant: Tenant): void {
  const { prototype } = provider.PushedAuthorizationRequest;
  const { save } = prototype;
  Object.defineProperty(prototype, 'save', {
    async value(this: typeof prototype, ...args: Parameters<typeof save>) {
      const ctx = Provider.ctx!;
      const { clientId, clientAuthMethod } = ctx.oidc.client!;
      if (clientAuthMethod === 'none') await asGrant(ctx, () => countPushed(tenant, clientId, ctx.ip));
      return save.apply(this, args);
    },
  });
}
