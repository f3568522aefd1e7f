/** THE list of grants that the engine does not bring along; discovery names them as they are registered. */
import type { Provider } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import type { GrantContext } from '../engine/internals.ts';
import { refuseDetails } from '../request/authorization-details.ts';
import { deviceCode } from './device-code.ts';
import type { GrantOptions, GrantType } from './grant-type.ts';
import { password } from './password.ts';
import { passwordless } from './passwordless.ts';
import { tokenExchange } from './token-exchange.ts';

const GRANTS: readonly GrantType[] = [password, deviceCode, passwordless, tokenExchange];

export function registerGrants(provider: Provider, tenant: Tenant, options: GrantOptions): void {
  for (const { name, parameters, handle } of GRANTS)
    provider.registerGrantType(
      name,
      (ctx) => {
        refuseDetails(tenant, ctx);
        return handle(ctx as GrantContext, tenant, options);
      },
      [...parameters, 'resource'],
      'resource',
    );
}
