/** grant_type=password (RFC 6749 §4.3): for the tenant's own apps that still show their own password field. */
import { authenticate } from '../../auth/authenticate.ts';
import { requireDone } from '../../auth/conclude-login.ts';
import { checkProofs } from '../engine/internals.ts';
import { asGrant, connectionOf, fromOf, type GrantType, need, onlyFirstParty } from './grant-type.ts';
import { issueUserTokens } from './user-tokens.ts';

export const password: GrantType = {
  name: 'password',
  hashes: true,
  // Not by default: it trains people to type their password into apps (RFC 9700 §2.4), so whoever needs it asks for it.
  parameters: {
    username: { description: '`password` and one-time codes: the email, or whatever the user logs in with.' },
    password: { description: '`password`: the password.', secret: 'lasting' },
    scope: {},
    connection: {},
    realm: {},
  },
  async handle(ctx, tenant, options) {
    onlyFirstParty(ctx);
    const { username, password } = need(ctx, 'username', 'password');
    const proofs = await checkProofs(ctx);
    const connection = await connectionOf(ctx, tenant, 'checkPassword');
    const attempt = {
      connection,
      identifier: username.trim().slice(0, 254),
      password,
      client: ctx.oidc.client.clientId,
      from: fromOf(ctx),
    };
    const { user, amr, authTime } = await asGrant(
      ctx,
      async () => requireDone(await authenticate(tenant, attempt, options)),
      // RFC 6749 §5.2 names wrong resource owner credentials among what a 400 says.
      { wrong_credentials: 400, unknown_user: 400 },
    );
    await issueUserTokens(ctx, tenant, 'password', proofs, { user: user.id, amr, authTime });
  },
};
