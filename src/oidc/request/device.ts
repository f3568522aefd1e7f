/** The device authorization endpoint (RFC 8628 §3.1): the engine checks the request, the codes are ours. */
import { type Configuration, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { countDevice } from '../../auth/open-request.ts';
import { issueDeviceCode, POLL_SECONDS } from '../../domain/protocol/device-code.ts';
import type { Tenant } from '../../kernel/context.ts';
import { asGrant } from '../grants/grant-type.ts';

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

type Asked = InstanceType<Provider['DeviceCode']> & {
  clientId: string;
  deviceInfo: { name?: string; ip: string; userAgent: string | null };
};

/** Has a Provider's device codes made and kept by domain/protocol/device-code.ts. */
export function keepDeviceCodes(provider: Provider, tenant: Tenant): void {
  Object.defineProperty(provider.DeviceCode.prototype, 'save', {
    async value(this: Asked) {
      const { name, ...from } = this.deviceInfo;
      const ctx = Provider.ctx!;
      if (ctx.oidc.client!.clientAuthMethod === 'none')
        await asGrant(ctx, () => countDevice(tenant, this.clientId, ctx.ip));
      const { deviceCode, userCode } = await issueDeviceCode(tenant, {
        client: this.clientId,
        scope: text(this.params?.scope),
        resource: text(this.params?.resource),
        deviceName: name,
        from,
      });
      this.userCode = userCode;
      return deviceCode;
    },
  });
  provider.on('device_authorization.success', (ctx, answer) => {
    const { userCode } = ctx.oidc.entities.DeviceCode!;
    Object.assign(answer, {
      user_code: userCode,
      verification_uri: `${tenant.origin}/activate`,
      verification_uri_complete: `${tenant.origin}/confirm?user_code=${userCode}`,
      interval: POLL_SECONDS,
    });
  });
}
