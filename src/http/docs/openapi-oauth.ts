/**
 * What the OAuth and OpenID Connect endpoints take and answer, as documentation: oidc-provider checks it, Fastify must not.
 * Keyed by operationId; a route's own words win over these.
 */
import Type, { type TObject, type TSchema } from 'typebox';
import { ClientMembers } from '../../domain/client/client-members.ts';
import {
  authorization,
  claims,
  deviceAnswer,
  deviceRequest,
  discovery,
  empty,
  keySet,
  loggedOut,
  logout,
  registered,
  text,
  tokenFields,
  tokenQuery,
  tokenQuestion,
  tokenState,
  tokens,
} from './openapi-oauth-schemas.ts';

type Documented = {
  description?: string;
  querystring?: TObject;
  body?: TObject;
  consumes?: string[];
  security?: readonly Record<string, readonly string[]>[];
  response?: Record<number, TSchema>;
};

const FORMS = ['application/x-www-form-urlencoded', 'application/json'];
const ownClient: readonly Record<string, readonly string[]>[] = [{ clientBasic: [] }, {}];
const toTheApp = empty('To the hosted pages, or back to the client with `code`, `state` and `iss`', 'Where to go next');

export const OAUTH_OPERATIONS: Record<string, Documented> = {
  authorize: {
    description:
      'Opened by the browser. Shows the hosted login where one is needed, and returns to the client with a code that `/oauth/token` takes. What cannot be sent back to the client is an error page. 1,500 may begin in five minutes from one address.',
    querystring: Type.Object(authorization),
    response: { 303: toTheApp },
  },
  authorizePost: {
    description: 'The same as a form. Goes on as a GET.',
    body: Type.Object(authorization),
    consumes: ['application/x-www-form-urlencoded'],
    response: { 303: empty('To the same request as a GET', 'Where to go next') },
  },
  authorizeResume: { response: { 303: toTheApp } },
  'oauth/token': {
    description:
      'Takes a form or JSON. A client authenticates by HTTP Basic or in the body; public clients send their `client_id` and PKCE.',
    get body() {
      return Type.Object(tokenFields(), { additionalProperties: true });
    },
    consumes: FORMS,
    security: ownClient,
    response: { 200: tokens },
  },
  'oauth/tokenGet': {
    description: 'The same for clients that can only GET. Whatever is secret is refused here.',
    get querystring() {
      return Type.Object(tokenQuery());
    },
    security: ownClient,
    response: { 200: tokens },
  },
  'oauth/par': {
    description:
      'Takes what `/authorize` takes and answers a `request_uri` to send there instead. A client without a secret may push 300 requests in five minutes from one address.',
    body: Type.Object(
      { ...authorization, client_id: text('The client, where it is not named by HTTP Basic authentication.') },
      { additionalProperties: true },
    ),
    consumes: FORMS,
    security: ownClient,
    response: {
      201: Type.Object(
        { request_uri: Type.String(), expires_in: Type.Integer({ description: 'Seconds' }) },
        { description: 'The stored request' },
      ),
    },
  },
  'oauth/revoke': {
    description: 'Answers 200 whether or not there was such a token. A refresh token takes its whole family along.',
    body: tokenQuestion,
    consumes: FORMS,
    security: ownClient,
    response: { 200: empty('The token, if it was one, is no longer good') },
  },
  'oauth/introspect': {
    description: 'For resource servers that cannot verify a signed token themselves.',
    body: tokenQuestion,
    consumes: FORMS,
    security: [{ clientBasic: [] }],
    response: { 200: tokenState },
  },
  'oauth/deviceCode': {
    description:
      'For a device without a browser: it shows `user_code` and asks `/oauth/token` with `device_code` until the user has let it in. A client without a secret gets 100 in five minutes from one address.',
    body: deviceRequest,
    consumes: FORMS,
    security: ownClient,
    response: { 200: deviceAnswer },
  },
  'oauth/userinfo': {
    description: "Claims about the user of the access token, as far as the token's scopes go.",
    security: [{ bearerAuth: [] }],
    response: { 200: claims },
  },
  'oauth/userinfoPost': { security: [{ bearerAuth: [] }], response: { 200: claims } },
  'oauth/jwks': {
    description: "The keys that verify this issuer's tokens; the `kid` in a token's header says which.",
    response: { 200: keySet },
  },
  'oauth/openidConfiguration': {
    description: 'Everything that an OpenID Connect library needs to know about this issuer.',
    response: { 200: discovery },
  },
  'oauth/authorizationServer': { response: { 200: discovery } },
  'oauth/register': {
    description:
      "Open to everybody unless the account's `dynamic_registration` says otherwise. Such a client is a third party: users are asked for consent, and it may not act for itself. One that nobody uses within 30 days is removed.",
    body: ClientMembers,
    security: [{ bearerAuth: [] }, {}],
    response: { 201: registered },
  },
  'oauth/readRegistration': { security: [{ bearerAuth: [] }], response: { 200: registered } },
  'oauth/updateRegistration': {
    description: 'What is said replaces everything; `client_id` has to be part of it.',
    body: ClientMembers,
    security: [{ bearerAuth: [] }],
    response: { 200: registered },
  },
  'oauth/deleteRegistration': {
    description: 'With it go all tokens and consents of the client.',
    security: [{ bearerAuth: [] }],
    response: { 204: empty('The client is gone') },
  },
  'session/logout': {
    description:
      'Ends the browser session and returns to the client. With an `id_token_hint` at once; without one the page asks first.',
    querystring: logout,
    response: loggedOut,
  },
  'session/logoutV2': {
    description:
      'The same as `/logout`. `federated` changes nothing, and without a client there is nowhere to return to.',
    querystring: logout,
    response: loggedOut,
  },
  'session/logoutPost': {
    body: logout,
    consumes: ['application/x-www-form-urlencoded'],
    response: loggedOut,
  },
};
