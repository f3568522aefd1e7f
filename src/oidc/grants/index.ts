/** THE list of grant types, in the order of their documentation; discovery names those of ours as they are registered. */
import type { Provider } from 'oidc-provider';
import { enterGrantTypes } from '../../domain/client/grant-type.ts';
import type { Tenant } from '../../kernel/context.ts';
import type { GrantContext } from '../engine/internals.ts';
import { refuseDetails } from '../request/authorization-details.ts';
import { deviceCode } from './device-code.ts';
import { authorizationCode, clientCredentials, refreshToken } from './engine-grants.ts';
import type { GrantOptions, GrantType } from './grant-type.ts';
import { password } from './password.ts';
import { passwordless } from './passwordless.ts';
import { tokenExchange } from './token-exchange.ts';

const GRANT_TYPES: readonly GrantType[] = [
  authorizationCode,
  clientCredentials,
  refreshToken,
  password,
  passwordless,
  tokenExchange,
  deviceCode,
];
enterGrantTypes(GRANT_TYPES);

export function registerGrants(provider: Provider, tenant: Tenant, options: GrantOptions): void {
  for (const { name, parameters, handle } of GRANT_TYPES)
    if (handle)
      provider.registerGrantType(
        name,
        (ctx) => {
          refuseDetails(tenant, ctx);
          return handle(ctx as GrantContext, tenant, options);
        },
        [...Object.keys(parameters), 'resource'],
        'resource',
      );
}
