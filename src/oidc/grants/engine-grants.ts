/** Grants that the engine brings along: what there is to say of them. Which of them it offers is in engine/configure.ts. */
import type { GrantType } from './grant-type.ts';

export const authorizationCode: GrantType = {
  name: 'authorization_code',
  byDefault: 1,
  parameters: {
    code: { description: '`authorization_code`: the code.', secret: 'fleeting' },
    redirect_uri: { description: '`authorization_code`: the same as in the authorization request.' },
    code_verifier: { description: '`authorization_code`: the PKCE verifier (RFC 7636 §4.5).', secret: 'lasting' },
  },
};

export const refreshToken: GrantType = {
  name: 'refresh_token',
  byDefault: 2,
  parameters: {
    refresh_token: { description: '`refresh_token`: the newest one; each is good for one use.', secret: 'lasting' },
  },
};

export const clientCredentials: GrantType = { name: 'client_credentials', byDefault: 3, parameters: {} };
