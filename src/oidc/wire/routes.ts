/** The engine's endpoints as routes of ours. /authorize itself, which is for people, is in bridge.ts. */
import { PATHS } from '../engine/configure.ts';
import { aliasAudience, hideJwt } from './form.ts';

type Method = 'GET' | 'POST';
export type EngineRoute = {
  url: string;
  /** Operation id and summary, by method. */
  operations: Partial<Record<Method, [operationId: string, summary: string]>>;
  /** Of a form that speaks of tokens and secrets: what the engine calls otherwise. */
  adjust?: (form: URLSearchParams) => void;
};

export const ENGINE_ROUTES: readonly EngineRoute[] = [
  {
    url: `${PATHS.authorization}/:uid`,
    operations: { GET: ['authorizeResume', 'Finish a login: where the hosted pages return to'] },
  },
  {
    url: PATHS.token,
    operations: {
      POST: ['oauth/token', 'Get tokens (RFC 6749 §3.2)'],
      GET: ['oauth/tokenGet', 'Get tokens (RFC 6749 §3.2)'],
    },
    adjust: aliasAudience,
  },
  {
    url: PATHS.userinfo,
    operations: {
      GET: ['oauth/userinfo', 'Claims about the user (OIDC Core §5.3)'],
      POST: ['oauth/userinfoPost', 'Claims about the user (OIDC Core §5.3)'],
    },
  },
  {
    url: PATHS.revocation,
    operations: { POST: ['oauth/revoke', 'Revoke a token (RFC 7009)'] },
    adjust: hideJwt,
  },
  {
    url: PATHS.introspection,
    operations: { POST: ['oauth/introspect', 'Ask about a token (RFC 7662)'] },
    adjust: hideJwt,
  },
  {
    url: PATHS.device_authorization,
    operations: { POST: ['oauth/deviceCode', 'Start the login of a device (RFC 8628)'] },
    adjust: aliasAudience,
  },
  {
    url: PATHS.pushed_authorization_request,
    operations: { POST: ['oauth/par', 'Push an authorization request (RFC 9126)'] },
    adjust: aliasAudience,
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
