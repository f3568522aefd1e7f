/** What is written down when the engine tells that something happened. */
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { recordClientRefusal, recordRequestRefusal } from '../../auth/client-refusal.ts';
import { markClientUsed } from '../../domain/client/client-registration.ts';
import { append } from '../../domain/trail/log.ts';
import type { Tenant } from '../../kernel/context.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { completeDeviceAnswer } from '../request/device.ts';
import { requestOf } from '../wire/hand-over.ts';
import type { ProviderOptions } from './configure.ts';

/** Nobody waits for what it answers. */
type Listener = (
  tenant: Tenant,
  ctx: KoaContextWithOIDC,
  about: never,
  options: ListenOptions,
) => Promise<unknown> | undefined;

type ListenOptions = Pick<ProviderOptions, 'onMachineLogin'>;

type Refused = { error?: string; error_description?: string };

const clientOf = ({ oidc }: KoaContextWithOIDC): unknown => oidc.client?.clientId ?? oidc.params?.client_id;

const refused: Listener = (tenant, ctx, { error }: Refused) =>
  error === 'invalid_client' ? recordClientRefusal(tenant, clientOf(ctx), ctx.ip) : undefined;

/** No refusals: a device waits for its person. */
const WAITING = new Set(['authorization_pending', 'slow_down']);
/** Grants that prove a person: what they refuse is a login, and written down as one. */
const LOGINS = new Set(['password', 'http://auth0.com/oauth/grant-type/passwordless/otp']);

const failed =
  (door: Parameters<typeof recordRequestRefusal>[1]): Listener =>
  (tenant, ctx, { error: reason = 'invalid_request', error_description: message }: Refused) => {
    const { oidc, ip } = ctx;
    if (reason === 'invalid_client' && door !== 'authorize') return undefined;
    if (WAITING.has(reason) || (reason === 'invalid_grant' && LOGINS.has(String(oidc.params?.grant_type))))
      return undefined;
    const user = oidc.session?.accountId ?? oidc.entities.Account?.accountId;
    const received = reason === 'invalid_redirect_uri' ? oidc.params?.redirect_uri : undefined;
    const more = typeof received === 'string' ? { redirect_uri: received.slice(0, 300) } : undefined;
    const reference = requestOf(ctx.req)?.id;
    return recordRequestRefusal(tenant, door, { client: clientOf(ctx), user, reason, message, ip, reference, more });
  };

const used: Listener = (tenant, { oidc: { client } }) =>
  client && (client as ClientExtras).unused ? markClientUsed(tenant, client.clientId) : undefined;

const machineLoggedIn: Listener = (tenant, ctx, _about, { onMachineLogin }) => {
  const { params, client, entities } = ctx.oidc;
  if (params?.grant_type !== 'client_credentials' || !client) return undefined;
  const { aud } = entities.ClientCredentials ?? {};
  const audience = typeof aud === 'string' ? aud : undefined;
  return onMachineLogin(tenant, { client: client.clientId, ip: ctx.ip, audience });
};

const reused: Listener = (tenant, { oidc: { route, entities } }) => {
  const { RefreshToken: token } = entities;
  if (route !== 'token' || !token) return undefined;
  return append(tenant, {
    type: 'oauth.token.reused',
    status: 'failed',
    user: token.accountId,
    client: token.clientId,
    data: { kind: 'RefreshToken' },
  });
};

const LISTENERS: readonly [event: string, ...Listener[]][] = [
  ['authorization.success', used],
  ['grant.success', used, machineLoggedIn],
  ['grant.revoked', reused],
  ['authorization.error', failed('authorize')],
  ['grant.error', refused, failed('grant')],
  ['revocation.error', refused],
  ['introspection.error', refused],
  ['pushed_authorization_request.error', refused, failed('pushed_request')],
  ['device_authorization.error', refused, failed('device_code')],
];

/** @param onFailure is told what could not be written down. */
export function listen(
  provider: Provider,
  tenant: Tenant,
  options: ListenOptions,
  onFailure: (ctx: KoaContextWithOIDC, error: Error) => void,
): void {
  for (const [event, ...listeners] of LISTENERS)
    for (const listener of listeners)
      (provider as NodeJS.EventEmitter).on(event, (ctx: KoaContextWithOIDC, about: unknown) => {
        listener(tenant, ctx, about as never, options)?.catch((error: Error) => onFailure(ctx, error));
      });
  // The one that is heard before the answer goes out, and may add to it.
  provider.on('device_authorization.success', (ctx, answer) =>
    Object.assign(answer, completeDeviceAnswer(tenant, ctx.oidc.entities.DeviceCode!.userCode)),
  );
}
