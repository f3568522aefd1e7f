/** The engine's endpoints as routes of ours. /authorize itself, which is for people, is in bridge.ts. */
import type { FastifyRequest } from 'fastify';
import { hashes } from '../../domain/client/grant-type.ts';
import type { Tenant } from '../../kernel/context.ts';
import { checkHashingRoom } from '../../kernel/secret/password.ts';
import { PATHS } from '../engine/configure.ts';
import { aliasAudience, authorizationRequest, hideJwt } from './parameters.ts';
import { nameWithoutSecret } from './public-client.ts';

type Method = 'GET' | 'POST';
/** Changes the form, and the headers where they say what belongs there. */
export type Adjust = (form: URLSearchParams, request: FastifyRequest) => void | Promise<void>;
export type EngineRoute = {
  url: string;
  /** Operation id and summary, by method. */
  operations: Partial<Record<Method, [operationId: string, summary: string]>>;
  /** Of those that come with a form, which speaks of tokens and secrets: what the engine calls otherwise in it. */
  forms?: Partial<Record<Method, Adjust>>;
  /** GET does something, which HEAD may not. */
  acts?: true;
};

const asItIs = (): void => {};

/** Of a client, which says in the form or in the header who it is. */
const ofClient =
  (adjust: (form: URLSearchParams, tenant: Tenant) => void | Promise<void>): Adjust =>
  async (form, request) => {
    await nameWithoutSecret(request, form);
    return adjust(form, request.tenant);
  };
const ofTokenClient = ofClient(aliasAudience);
/** A flood of passwords is refused before the engine looks who sends them, which costs more than the refusal. */
const ofTokens: Adjust = async (form, request) => {
  if (hashes(form.get('grant_type'))) await checkHashingRoom(request.tenant.id);
  return ofTokenClient(form, request);
};
const aboutToken = ofClient(hideJwt);
const ofLogin = ofClient(authorizationRequest);

export const ENGINE_ROUTES: readonly EngineRoute[] = [
  {
    url: `${PATHS.authorization}/:uid`,
    operations: { GET: ['authorizeResume', 'Finish a login: where the hosted pages return to'] },
    acts: true,
  },
  {
    url: PATHS.token,
    operations: {
      POST: ['oauth/token', 'Get tokens (RFC 6749 §3.2)'],
      GET: ['oauth/tokenGet', 'Get tokens (RFC 6749 §3.2)'],
    },
    forms: { POST: ofTokens, GET: ofTokens },
    acts: true,
  },
  {
    url: PATHS.userinfo,
    operations: {
      GET: ['oauth/userinfo', 'Claims about the user (OIDC Core §5.3)'],
      POST: ['oauth/userinfoPost', 'Claims about the user (OIDC Core §5.3)'],
    },
    forms: { POST: asItIs },
  },
  {
    url: PATHS.revocation,
    operations: { POST: ['oauth/revoke', 'Revoke a token (RFC 7009)'] },
    forms: { POST: aboutToken },
  },
  {
    url: PATHS.introspection,
    operations: { POST: ['oauth/introspect', 'Ask about a token (RFC 7662)'] },
    forms: { POST: aboutToken },
  },
  {
    url: PATHS.device_authorization,
    operations: { POST: ['oauth/deviceCode', 'Start the login of a device (RFC 8628)'] },
    forms: { POST: ofLogin },
  },
  {
    url: PATHS.pushed_authorization_request,
    operations: { POST: ['oauth/par', 'Push an authorization request (RFC 9126)'] },
    forms: { POST: ofLogin },
  },
  { url: PATHS.jwks, operations: { GET: ['oauth/jwks', 'Public keys (RFC 7517)'] } },
  {
    url: '/.well-known/openid-configuration',
    operations: { GET: ['oauth/openidConfiguration', 'Discovery (OIDC Discovery §4)'] },
  },
  {
    url: '/.well-known/oauth-authorization-server',
    operations: { GET: ['oauth/authorizationServer', 'Discovery (RFC 8414)'] },
  },
];
