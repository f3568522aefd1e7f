/**
 * The short way to the introspection (RFC 7662) of a live access token by a server with a secret. Like userinfo's it knows
 * no refusals: whatever is not plainly in order goes to the engine, which answers the same for what is.
 */
import type { FastifyRequest } from 'fastify';
import type { AdapterPayload } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { liveToken } from '../token/access-token.ts';
import { mayIntrospect } from '../token/introspection.ts';
import { asItStands } from '../token/scope-now.ts';
import { plainClient } from './client.ts';
import { openGrant } from './grant.ts';

const PARAMETERS = new Set(['token', 'token_type_hint']);
const JWT = /^[\w-]+~[\w-]+~[\w-]+$/;

async function tokenOf(tenant: Tenant, value: string): Promise<AdapterPayload | undefined> {
  const ofUser = await liveToken(tenant, 'AccessToken', value);
  if (ofUser && !openGrant(ofUser)) return undefined;
  const live = ofUser ?? (await liveToken(tenant, 'ClientCredentials', value));
  return live && asItStands(tenant, live.payload);
}

export async function introspection(request: FastifyRequest, form: URLSearchParams): Promise<object | undefined> {
  const value = form.get('token') ?? '';
  if (!JWT.test(value)) return undefined;
  const { tenant } = request;
  const client = await plainClient(request, form, PARAMETERS);
  if (!client) return undefined;
  const token = await tokenOf(tenant, value);
  if (!token || token.jkt || token.rar) return undefined;
  const { client_id, token_endpoint_auth_method, unverified } = client;
  const asking = { clientId: client_id, clientAuthMethod: token_endpoint_auth_method, unverified };
  if (!mayIntrospect(asking, token)) return undefined;
  const { accountId, clientId, exp, iat, sid, jti, aud, scope } = token;
  return {
    active: true,
    sub: accountId ?? clientId,
    client_id: clientId,
    exp,
    iat,
    sid,
    iss: tenant.origin,
    jti,
    aud,
    scope,
    token_type: 'Bearer',
  };
}
