/** grant_type=password (RFC 6749 §4.3): for the tenant's own apps that still show their own password field. */
import { authenticate } from '../../auth/authenticate.ts';
import { nowSeconds } from '../../kernel/clock.ts';
import { checkProofs } from '../engine/internals.ts';
import { asGrant, connectionOf, fromOf, type GrantType, need, onlyFirstParty } from './grant-type.ts';
import { issueUserTokens } from './user-tokens.ts';

const AMR = ['pwd'];

export const password: GrantType = {
  name: 'password',
  // Not by default: it trains people to type their password into apps (RFC 9700 §2.4), so whoever needs it asks for it.
  parameters: {
    username: { description: '`password` and one-time codes: the email, or whatever the user logs in with.' },
    password: { description: '`password`: the password.', secret: 'lasting' },
    scope: {},
    connection: {},
    realm: {},
  },
  amr: AMR,
  async handle(ctx, tenant, { passwordHash }) {
    onlyFirstParty(ctx);
    const { username, password } = need(ctx, 'username', 'password');
    const proofs = await checkProofs(ctx);
    const connection = await connectionOf(ctx, tenant, 'database');
    const user = await asGrant(
      ctx,
      () =>
        authenticate(tenant, {
          connection,
          identifier: username.trim().slice(0, 254),
          password,
          client: ctx.oidc.client.clientId,
          from: fromOf(ctx),
          algorithm: passwordHash,
        }),
      // RFC 6749 §5.2 names wrong resource owner credentials among what a 400 says.
      { wrong_credentials: 400, unknown_user: 400 },
    );
    await issueUserTokens(ctx, tenant, 'password', proofs, {
      user: user.id,
      amr: AMR,
      authTime: nowSeconds(),
    });
  },
};
