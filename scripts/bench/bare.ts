/** The engine alone: oidc-provider with its in-memory adapter, issuing the same tokens as the server that is compared. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Configuration, Provider } from 'oidc-provider';

/** What the parent needs to make requests with; sent once, when ready. */
export type Bare = {
  origin: string;
  userToken: string;
  client: { client_id: string; client_secret: string; audience: string };
};

const client = {
  client_id: 'client_65e1f0c2a7b4d9e8f3a1b2c3',
  client_secret: 'the secret of a client that exists for measuring',
  audience: 'https://orders.example.com',
};
const scope = 'read:orders create:orders';
const user = 'user_65e1f0c2a7b4d9e8f3a1b2c4';

// The issuer holds the port, so the port comes first.
const server = createServer();
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://localhost:${(server.address() as AddressInfo).port}`;

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const configuration: Configuration = {
  jwks: { keys: [{ ...key, kid: 'bench', alg: 'RS256', use: 'sig' }] as never },
  clients: [
    {
      ...client,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  claims: { openid: ['sub'], profile: ['name', 'given_name', 'family_name'], email: ['email', 'email_verified'] },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      name: 'Demo User',
      given_name: 'Demo',
      family_name: 'User',
      email: 'demo@cardea.dev',
      email_verified: true,
    }),
  }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    userinfo: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        audience: client.audience,
        scope,
        accessTokenTTL: 86_400,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: () => ({ account: 'account_65e1f0c2a7b4d9e8f3a1b2c5' }),
};
const provider = new Provider(origin, configuration);
server.on('request', provider.callback());

const grant = new provider.Grant({ accountId: user, clientId: client.client_id });
grant.addOIDCScope('openid profile email');
const token = new provider.AccessToken({
  accountId: user,
  clientId: client.client_id,
  grantId: await grant.save(),
  scope: 'openid profile email',
  gty: 'authorization_code',
  sessionUid: randomUUID(),
} as never);

process.send!({ origin, userToken: await token.save(), client } satisfies Bare);
process.on('SIGTERM', () => process.exit(0));
