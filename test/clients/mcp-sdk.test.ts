/**
 * The MCP SDK: a client that knows the address of an MCP server and nothing else. It finds the tenant by the server's
 * metadata (RFC 9728), registers itself (RFC 7591), logs its user in for that server (RFC 8707) and refreshes.
 */
import assert from 'node:assert/strict';
import { type OAuthClientProvider, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import { jwtVerify } from 'jose';
import { typeLogin } from '../kit/browser.ts';
import { listen, publishedKeys, REDIRECT, world } from '../kit/index.ts';
import { suite } from './kit.ts';

const w = await world();
const t = await w.tenant();
const user = await t.user();
const site = await listen();
const resource = `${site.origin}/mcp`;
await t.api('POST', '/api', { name: 'Notes', identifier: resource, permissions: [{ value: 'read:notes' }] });

/** Tokens that the server has had enough of: what a client sees of one that expired. */
const spent = new Set<string>();
const keys = publishedKeys(t);
async function verifyAccessToken(token: string) {
  if (spent.has(token)) throw new InvalidTokenError('The token has expired');
  const { payload } = await jwtVerify(token, keys, { issuer: t.origin, audience: resource, typ: 'at+jwt' }).catch(
    () => {
      throw new InvalidTokenError('The token is not for this server');
    },
  );
  return {
    token,
    clientId: String(payload.client_id),
    scopes: String(payload.scope).split(' '),
    expiresAt: payload.exp,
    extra: { sub: payload.sub },
  };
}

const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(new URL(resource));
const app = createMcpExpressApp();
app.get(new URL(resourceMetadataUrl).pathname, (_request, response) => {
  response.json({ resource, authorization_servers: [t.origin], resource_name: 'Notes' });
});
app.use('/mcp', requireBearerAuth({ verifier: { verifyAccessToken }, resourceMetadataUrl }));
app.post('/mcp', async (request, response) => {
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  server.registerTool('whoami', {}, ({ authInfo }) => ({
    content: [{ type: 'text', text: JSON.stringify({ sub: authInfo?.extra?.sub, scopes: authInfo?.scopes }) }],
  }));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on('close', () => void server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});
app.all('/mcp', (_request, response) => void response.status(405).end());
site.serve(app);

/** What an application keeps for the SDK. */
const kept: { client?: OAuthClientInformationMixed; tokens?: OAuthTokens; verifier?: string; url?: URL } = {};
const authProvider: OAuthClientProvider = {
  redirectUrl: REDIRECT,
  clientMetadata: {
    client_name: 'Notebook',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: 'read:notes offline_access',
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void Object.assign(kept, { client }),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void Object.assign(kept, { tokens }),
  redirectToAuthorization: (url) => void Object.assign(kept, { url }),
  saveCodeVerifier: (verifier) => void Object.assign(kept, { verifier }),
  codeVerifier: () => kept.verifier ?? '',
};
const transport = () => new StreamableHTTPClientTransport(new URL(resource), { authProvider });
const client = new Client({ name: 'notebook', version: '1.0.0' });

async function whoami() {
  const { content } = (await client.callTool({ name: 'whoami' })) as { content: { text: string }[] };
  return JSON.parse(content[0]!.text) as { sub: string; scopes: string[] };
}

suite('@modelcontextprotocol/sdk', {
  async login(page) {
    const first = transport();
    await assert.rejects(client.connect(first), UnauthorizedError);
    assert.ok(kept.client?.client_id);
    assert.equal(kept.url?.searchParams.get('resource'), resource);

    await page.goto(kept.url!.href);
    await typeLogin(page, user);
    // Anybody may have registered, under any name: the user is asked.
    await page.getByRole('heading', { level: 1, name: /Notebook/ }).waitFor();
    const back = page.waitForRequest((request) => request.url().startsWith(REDIRECT));
    await page.getByRole('button', { name: 'Allow' }).click();
    await first.finishAuth(new URL((await back).url()).searchParams.get('code') ?? '');

    await client.connect(transport());
    const { sub, scopes } = await whoami();
    assert.equal(sub, user.id);
    assert.ok(scopes.includes('read:notes'));
  },

  async refresh() {
    const before = kept.tokens!;
    spent.add(before.access_token);
    assert.equal((await whoami()).sub, user.id);
    assert.notEqual(kept.tokens!.access_token, before.access_token);
    assert.notEqual(kept.tokens!.refresh_token, before.refresh_token);
  },
});
