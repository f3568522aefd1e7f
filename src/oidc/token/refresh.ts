/**
 * The successor of a refresh token is computed from it, so that a retry gets the same one: rotation is a chain that
 * cannot fork. Whoever comes back with a link that was replaced longer ago than the grace ends the chain (RFC 9700
 * §4.14.2), be it the thief or the one who was robbed.
 */
import { Provider } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { mac, mintToken } from '../../kernel/secrets.ts';

export function chainRefreshTokens(provider: Provider, tenant: Tenant): void {
  Object.defineProperty(provider.RefreshToken.prototype, 'generateTokenId', {
    value() {
      const replaced = Provider.ctx?.oidc.entities.RotatedRefreshToken?.jti;
      // Without the installation's key nobody computes a successor, not even from the token itself.
      return replaced ? mac('refresh token', `${tenant.id} ${replaced}`) : mintToken();
    },
  });
}
