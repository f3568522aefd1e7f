/** The device authorization endpoint (RFC 8628 §3.1): the engine checks the request, the codes are ours. */
import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { countDevice } from '../../auth/open-request.ts';
import { issueDeviceCode, POLL_SECONDS } from '../../domain/protocol/device-code.ts';
import type { Tenant } from '../../kernel/context.ts';
import { isAnybodys } from '../client/client-metadata.ts';
import { asGrant } from '../grants/grant-type.ts';
import { defaultScope } from './scope.ts';

const NAME_LENGTH = 200;
const text = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

export const deviceFlow: NonNullable<Configuration['features']>['deviceFlow'] = {
  enabled: true,
  /** `device_name` is an addition of the contract: what the device calls itself. */
  deviceInfo(ctx: KoaContextWithOIDC) {
    const name = text((ctx.oidc.body as Record<string, unknown> | undefined)?.device_name);
    if (name && name.length > NAME_LENGTH)
      throw new errors.InvalidRequest(`device_name must be no longer than ${NAME_LENGTH} characters`);
    return { name, ip: ctx.ip, userAgent: ctx.get('user-agent') || null };
  },
};

type Asked = {
  clientId: string;
  params?: { scope?: unknown; resource?: unknown };
  deviceInfo: { name?: string; ip: string; userAgent: string | null };
};

/** @throws what a client that anybody can be is told when there were too many. */
export async function keepDeviceCode(
  tenant: Tenant,
  ctx: KoaContextWithOIDC,
  { clientId, params, deviceInfo: { name, ...from } }: Asked,
): Promise<{ deviceCode: string; userCode: string }> {
  if (isAnybodys(ctx.oidc.client!)) await asGrant(ctx, () => countDevice(tenant, ctx.ip));
  const resource = text(params?.resource);
  return issueDeviceCode(tenant, {
    client: clientId,
    // What it is taken to mean is shown before anybody allows it.
    scope: text(params?.scope) ?? (resource && (await defaultScope(tenant, [resource])).join(' ')),
    resource,
    deviceName: name,
    from,
  });
}

/** What a device is answered besides its own code and how long it is good (§3.2). */
export const completeDeviceAnswer = ({ origin }: Tenant, userCode: string) => ({
  user_code: userCode,
  verification_uri: `${origin}/activate`,
  verification_uri_complete: `${origin}/confirm?user_code=${userCode}`,
  interval: POLL_SECONDS,
});
