/** Auth0's grant for one-time codes: an app sends back the digits that `POST /passwordless/start` had mailed. */
import { requireDone } from '../../auth/conclude-login.ts';
import { redeemCode } from '../../auth/passwordless.ts';
import { checkProofs } from '../engine/internals.ts';
import { asGrant, connectionOf, fromOf, type GrantType, need, onlyFirstParty } from './grant-type.ts';
import { issueUserTokens } from './user-tokens.ts';

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
  async handle(ctx, tenant, options) {
    onlyFirstParty(ctx);
    const { username, otp } = need(ctx, 'username', 'otp');
    const proofs = await checkProofs(ctx);
    const connection = await connectionOf(ctx, tenant, 'sendsCodes', 'email');
    const attempt = {
      connection,
      client: ctx.oidc.client.clientId,
      email: username.slice(0, 254),
      // As people copy it from a mail: "482 913".
      code: otp.slice(0, 20).replace(/\s/g, ''),
      from: fromOf(ctx),
    };
    const { user, amr, authTime } = await asGrant(ctx, async () =>
      requireDone(await redeemCode(tenant, attempt, options)),
    );
    await issueUserTokens(ctx, tenant, 'passwordless', proofs, { user: user.id, amr, authTime });
  },
};
