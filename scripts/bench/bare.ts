/**
 * The engine alone: oidc-provider, issuing the same tokens as the server that is compared, with its in-memory adapter; or
 * on a database of its own, where it is given a directory for one.
 */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Configuration, Provider } from 'oidc-provider';
import { openRows, thinAdapter } from './adapter.ts';
import type { Target } from './walk.ts';

const client = {
  client_id: 'client_65e1f0c2a7b4d9e8f3a1b2c3',
  client_secret: 'the secret of a client that exists for measuring',
  audience: 'https://orders.example.com',
};
const web = {
  client_id: 'client_65e1f0c2a7b4d9e8f3a1b2c6',
  client_secret: 'the secret of a web client that exists for measuring',
  redirect_uri: 'http://localhost:3000/callback',
};
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const scope = 'read:orders create:orders';
const user = 'user_65e1f0c2a7b4d9e8f3a1b2c4';

// The issuer holds the port, so the port comes first.
const server = createServer();
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://localhost:${(server.address() as AddressInfo).port}`;

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const [dataDir] = process.argv.slice(2);
const store = dataDir ? await openRows(dataDir) : undefined;
const configuration: Configuration = {
  ...(store && { adapter: thinAdapter }),
  jwks: { keys: [{ ...key, kid: 'bench', alg: 'RS256', use: 'sig' }] as never },
  clients: [
    {
      ...client,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
    },
    {
      client_id: web.client_id,
      client_secret: web.client_secret,
      redirect_uris: [web.redirect_uri],
      grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
      response_types: ['code'],
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
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  scopes: ['openid', 'offline_access'],
  rotateRefreshToken: true,
  issueRefreshToken: async (_ctx, asking) => asking.grantTypeAllowed('refresh_token'),
  // Nobody is asked: a client of the tenant's own.
  async loadExistingGrant(ctx) {
    const { client: asking, account, provider: engine, session } = ctx.oidc;
    const known = session!.grantIdFor(asking!.clientId);
    if (known) return engine.Grant.find(known);
    const made = new engine.Grant({ accountId: account!.accountId, clientId: asking!.clientId });
    made.addOIDCScope('openid profile email offline_access');
    made.addResourceScope(client.audience, scope);
    await made.save();
    return made;
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    userinfo: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async () => true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
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
const answer = provider.callback();
// A login page as small as one can be, and an answer to it.
server.on('request', async (request, response) => {
  const [, uid, login] = /^\/interaction\/([^/]+)(\/login)?$/.exec(request.url ?? '') ?? [];
  if (!uid) return answer(request, response);
  if (login) return provider.interactionFinished(request, response, { login: { accountId: user, amr: ['pwd'] } });
  const { prompt } = await provider.interactionDetails(request, response);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  return response.end(`<form method="post" action="${uid}/login"><button>${prompt.name}</button></form>`);
});

const target: Target = {
  origin,
  paths: {
    authorization: '/auth',
    token: '/token',
    userinfo: '/me',
    jwks: '/jwks',
    introspection: '/token/introspection',
    device: '/device/auth',
    login: '/login',
  },
  audienceParameter: 'resource',
  machine: client,
  web,
  signed: { resource: client.audience, scope: `openid profile email offline_access ${scope}` },
};
process.send!({ target });
process.on('SIGTERM', async () => {
  await store?.close();
  process.exit(0);
});
