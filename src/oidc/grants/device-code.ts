/** grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 §3.4): a device asks until its person has decided. */
import { errors } from 'oidc-provider';
import { type DeviceCode, pollDeviceCode, redeemDevice } from '../../domain/protocol/device-code.ts';
import { now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { checkProofs, type GrantContext } from '../engine/internals.ts';
import { type GrantType, need, refusal } from './grant-type.ts';
import { issueUserTokens, refuseUser } from './user-tokens.ts';

export const deviceCode: GrantType = {
  name: 'urn:ietf:params:oauth:grant-type:device_code',
  byDefault: 4,
  parameters: {
    device_code: { description: 'Device flow (RFC 8628): what `/oauth/device/code` answered.', secret: 'fleeting' },
  },
  async handle(ctx, tenant) {
    const { device_code } = need(ctx, 'device_code');
    const proofs = await checkProofs(ctx);
    const { row, early } = (await pollDeviceCode(tenant, device_code, ctx.oidc.client.clientId)) ?? refuseUnknown();
    await checkDecided(ctx, tenant, row, early);
    checkTarget(ctx, row);
    const { user, amr, auth_time, session } = (await redeemDevice(tenant, row.id)) ?? refuseUsed();
    const proven = { user: user!, amr: amr ?? [], authTime: auth_time!, session };
    // What is granted was asked for, and shown, when the flow began.
    await issueUserTokens(ctx, tenant, 'device_code', proofs, proven, row);
  },
};

const refuseUnknown = (): never => {
  throw refusal(400, 'invalid_grant', 'the device code is unknown');
};
const refuseUsed = (): never => {
  throw refusal(400, 'invalid_grant', 'the device code was used already');
};

/** @throws what RFC 8628 §3.5 has a device hear before there are tokens. */
async function checkDecided(ctx: GrantContext, tenant: Tenant, row: DeviceCode, early: boolean): Promise<void> {
  if (row.state === 'redeemed') refuseUsed();
  if (row.state === 'revoked') await refuseUser(ctx, tenant, row.user!);
  if (row.state === 'denied') throw new errors.AccessDenied('the user did not allow the request');
  if (row.valid_until <= now()) throw new errors.ExpiredToken('the device code has expired');
  if (row.state === 'approved') return;
  throw early
    ? new errors.SlowDown('wait five seconds longer between requests')
    : new errors.AuthorizationPending('the user has not decided yet');
}

/** A token request may only repeat the audience. */
function checkTarget({ oidc: { params } }: GrantContext, { resource }: DeviceCode): void {
  if (params.resource && params.resource !== resource)
    throw new errors.InvalidTarget('the device did not ask for this audience');
}
