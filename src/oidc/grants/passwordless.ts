/** Auth0's grant for one-time codes: an app sends back the digits that `POST /passwordless/start` had mailed. */
import { redeemCode } from '../../auth/passwordless.ts';
import { nowSeconds } from '../../kernel/clock.ts';
import { checkProofs } from '../engine/internals.ts';
import { asGrant, connectionOf, fromOf, type GrantType, need, onlyFirstParty } from './grant-type.ts';
import { issueUserTokens } from './user-tokens.ts';

const AMR = ['otp'];

export const passwordless: GrantType = {
  name: 'http://auth0.com/oauth/grant-type/passwordless/otp',
  byDefault: 5,
  parameters: {
    username: {},
    otp: { description: 'One-time codes: the six digits.', secret: 'lasting' },
    scope: {},
    connection: {},
    realm: {},
  },
  amr: AMR,
  async handle(ctx, tenant) {
    onlyFirstParty(ctx);
    const { username, otp } = need(ctx, 'username', 'otp');
    const proofs = await checkProofs(ctx);
    const connection = await connectionOf(ctx, tenant, 'passwordless_email', 'email');
    const user = await asGrant(ctx, () =>
      redeemCode(tenant, {
        connection,
        client: ctx.oidc.client.clientId,
        email: username.slice(0, 254),
        // As people copy it from a mail: "482 913".
        code: otp.slice(0, 20).replace(/\s/g, ''),
        from: fromOf(ctx),
      }),
    );
    await issueUserTokens(ctx, tenant, 'passwordless', proofs, {
      user: user.id,
      amr: AMR,
      authTime: nowSeconds(),
    });
  },
};
