/** What travels between relying parties and the OAuth endpoints, field by field, for the document only. */
import Type from 'typebox';
import { ClientMembers } from '../../domain/client/client-members.ts';
import { grantTypes, secretParameters } from '../../domain/client/grant-type.ts';

export const text = (description: string) => Type.Optional(Type.String({ description }));
/** The contract lists these for GET too; a query string is no place for them. */
const refused = (name: string) =>
  Type.Optional(
    Type.String({
      deprecated: true,
      description: `Refused in a query string, which logs keep: send \`${name}\` in the body of a POST.`,
    }),
  );
const oneOf = (values: readonly string[], description: string) =>
  Type.Optional(Type.Unsafe<string>({ type: 'string', enum: [...values], description }));
/** An answer without a body of its own. */
export const empty = (description: string, location?: string) =>
  Type.Unsafe({
    type: 'null',
    description,
    ...(location && { headers: { location: { type: 'string', description: location } } }),
  });
const target = {
  audience: text(
    'Alias of `resource` (RFC 8707), as Auth0 spells it: the identifier of the Api that the token is for. Both given must be equal.',
  ),
  resource: text('The identifier of the Api that the token is for (RFC 8707).'),
};

export const authorization = {
  client_id: Type.String({ description: 'The client that asks.' }),
  response_type: oneOf(['code'], 'The authorization code flow.'),
  redirect_uri: text("Where the answer goes: exactly one of the client's `callbacks`."),
  scope: text('Scopes, separated by spaces: `openid profile email offline_access`, and permissions of the Api.'),
  state: text('Opaque value that comes back with the answer, against forged requests (RFC 6749 §10.12).'),
  nonce: text('Opaque value that comes back in the ID token, against replay (OpenID Connect Core §3.1.2.1).'),
  code_challenge: text('PKCE (RFC 7636): BASE64URL(SHA-256(`code_verifier`)). Public clients must send it.'),
  code_challenge_method: oneOf(['S256'], 'PKCE method; only `S256`.'),
  prompt: text('`none`, `login`, `consent` or `select_account`.'),
  max_age: Type.Optional(
    Type.Number({ minimum: 0, description: 'Seconds since the last login after which the user has to log in again.' }),
  ),
  connection_id: text('The connection to log in with; without it the hosted page offers all of the client.'),
  connection: Type.Optional(
    Type.String({ deprecated: true, description: 'Name of the connection. Use `connection_id`.' }),
  ),
  redirect_to: text(
    'Same-origin path to return to after the login, in place of the client, which gets no code; anything else is ignored.',
  ),
  id_token_hint: text('An ID token of the user who is meant; with `prompt=none` another one is `login_required`.'),
  screen_hint: text('`signup` opens the page to sign up first, where people may.'),
  login_hint: text("The user's email, to fill in the form (OpenID Connect Core §3.1.2.1)."),
  ui_locales: text('Languages of the hosted pages, by preference, separated by spaces.'),
  response_mode: oneOf(
    [
      'query',
      'fragment',
      'form_post',
      'web_message',
      'jwt',
      'query.jwt',
      'fragment.jwt',
      'form_post.jwt',
      'web_message.jwt',
    ],
    'How the answer travels; `web_message` to the page that framed or opened this one; as a signed JWT (JARM) where the account wants it.',
  ),
  claims: text('Claims asked for one by one, as JSON (OpenID Connect Core §5.5).'),
  acr_values: text('How the user should have logged in, by preference; see `acr_values_supported` of the discovery.'),
  authorization_details: text(
    'What is asked for in detail, as JSON (RFC 9396); of the types that the account has. The user is always asked.',
  ),
  request: text(
    'All of these as a JWT signed by the client (RFC 9101), where the account takes them; nothing else counts then.',
  ),
  request_uri: text('What `/oauth/par` answered, instead of all but `client_id` (RFC 9126).'),
  dpop_jkt: text('Thumbprint of the key that the code is bound to (RFC 9449 §10).'),
  ...target,
};

/** What the grants take besides, as they say it themselves; a parameter that several of them take once. */
function grantFields(): Record<string, ReturnType<typeof text>> {
  const parameters = grantTypes().flatMap((grant) => Object.entries(grant.parameters));
  return Object.fromEntries(
    parameters.flatMap(([name, { description }]) => (description ? [[name, text(description)]] : [])),
  );
}

/** A function, as what follows from it: the grants enter while the program loads. */
export const tokenFields = () => ({
  grant_type: oneOf(
    grantTypes().map(({ name }) => name),
    'What is exchanged for the tokens.',
  ),
  client_id: text('The client, where it is not named by HTTP Basic authentication.'),
  client_secret: text('Its secret, unless it is sent by HTTP Basic authentication or the client is public.'),
  scope: text('Scopes, separated by spaces. Without it, `client_credentials` gets all that the Api lists.'),
  ...target,
  ...grantFields(),
});

export function tokenQuery() {
  const secrets = secretParameters('lasting');
  return Object.fromEntries(
    Object.entries(tokenFields()).map(([name, schema]) => [name, secrets.has(name) ? refused(name) : schema]),
  );
}

export const tokens = Type.Object(
  {
    access_token: Type.String({
      description: 'A signed JWT of the type that the Api says: `at+jwt` (RFC 9068), or `JWT`.',
    }),
    token_type: Type.String({ description: '`Bearer`, or `DPoP` for a token that is bound to a key (RFC 9449)' }),
    expires_in: Type.Integer({ description: 'Lifetime of the access token in seconds' }),
    scope: text('What was granted.'),
    id_token: text('With `openid`: who the user is (OpenID Connect Core §2).'),
    refresh_token: text('With `offline_access`.'),
    authorization_details: Type.Optional(
      Type.Array(Type.Object({ type: Type.String() }, { additionalProperties: true }), {
        description: 'What the user allowed in detail (RFC 9396 §7).',
      }),
    ),
  },
  { description: 'The tokens' },
);

export const claims = Type.Object(
  {
    sub: Type.String({ description: 'The user id' }),
    name: text('With `profile`, as those below.'),
    given_name: Type.Optional(Type.String()),
    family_name: Type.Optional(Type.String()),
    nickname: Type.Optional(Type.String()),
    preferred_username: Type.Optional(Type.String()),
    profile: Type.Optional(Type.String({ description: "The address of the user's page" })),
    picture: Type.Optional(Type.String()),
    birthdate: Type.Optional(Type.String()),
    locale: Type.Optional(Type.String()),
    updated_at: Type.Optional(Type.Integer({ description: 'Unix time in seconds' })),
    email: text('With `email`.'),
    email_verified: Type.Optional(Type.Boolean()),
    phone_number: text('With `phone`.'),
    phone_number_verified: Type.Optional(Type.Boolean()),
    address: Type.Optional(
      Type.Object(
        {},
        {
          additionalProperties: true,
          description: 'With `address`; `formatted` is made of the parts where it is not given.',
        },
      ),
    ),
  },
  { additionalProperties: true, description: "The user's claims" },
);

export const discovery = Type.Object(
  {
    issuer: Type.String({ description: 'The origin, without a trailing slash; equal to `iss` of every token' }),
    authorization_endpoint: Type.String(),
    token_endpoint: Type.String(),
    userinfo_endpoint: Type.String(),
    jwks_uri: Type.String(),
    end_session_endpoint: Type.String(),
    management_audience: Type.String({ description: 'The audience of tokens for the management API' }),
    scopes_supported: Type.Array(Type.String()),
    response_types_supported: Type.Array(Type.String()),
    grant_types_supported: Type.Array(Type.String()),
    code_challenge_methods_supported: Type.Array(Type.String()),
    token_endpoint_auth_methods_supported: Type.Array(Type.String()),
    id_token_signing_alg_values_supported: Type.Array(Type.String()),
  },
  { additionalProperties: true, description: 'The server metadata' },
);

export const keySet = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          kty: Type.String(),
          use: Type.String(),
          alg: Type.String(),
          kid: Type.String(),
          n: Type.String(),
          e: Type.String(),
        },
        { additionalProperties: true },
      ),
    ),
  },
  { description: 'The public keys' },
);

export const logout = Type.Object({
  id_token_hint: text('An ID token that the client got: names client and session, so that nobody is asked.'),
  logout_hint: text('Whom the client means; taken as a hint only.'),
  client_id: text('The client, where no `id_token_hint` names it.'),
  post_logout_redirect_uri: text("Where to go afterwards: exactly one of the client's `logout_urls`."),
  state: text('Opaque value that comes back with the redirect.'),
  ui_locales: text('Languages of the page, by preference, separated by spaces.'),
  returnTo: Type.Optional(Type.String({ deprecated: true, description: 'Alias of `post_logout_redirect_uri`.' })),
});
export const loggedOut = {
  200: Type.Object(
    { status: Type.String({ description: '`logout`' }) },
    { description: 'The session is over. Browsers get a page instead, which asks first without an `id_token_hint`' },
  ),
  303: empty('Back to the client', 'The `post_logout_redirect_uri`, with `state`'),
};

const aboutToken = {
  token: Type.String({ description: 'The token' }),
  token_type_hint: oneOf(['access_token', 'refresh_token'], 'What it is, to find it sooner.'),
  client_id: text('The client, where it is not named by HTTP Basic authentication.'),
  client_secret: text('Its secret, unless it is sent by HTTP Basic authentication or the client is public.'),
};
export const tokenQuestion = Type.Object(aboutToken, { additionalProperties: true });
export const tokenState = Type.Object(
  {
    active: Type.Boolean({
      description: "False for whatever is unknown, expired, revoked, or none of the client's business",
    }),
    sub: text('The user, or the client where no user took part.'),
    client_id: Type.Optional(Type.String()),
    scope: Type.Optional(Type.String()),
    aud: Type.Optional(Type.String()),
    iss: Type.Optional(Type.String()),
    exp: Type.Optional(Type.Integer({ description: 'Unix time in seconds' })),
    iat: Type.Optional(Type.Integer({ description: 'Unix time in seconds' })),
    jti: Type.Optional(Type.String()),
    token_type: Type.Optional(Type.String()),
  },
  { additionalProperties: true, description: 'What is known of the token' },
);

export const deviceRequest = Type.Object(
  {
    client_id: Type.String({ description: 'The client that asks.' }),
    scope: authorization.scope,
    ...target,
    device_name: text('Name of the device, shown to the user who lets it in: `marcs-mbp (macOS)`.'),
  },
  { additionalProperties: true },
);
export const deviceAnswer = Type.Object(
  {
    device_code: Type.String({ description: 'For the device: what it asks the token endpoint with' }),
    user_code: Type.String({ description: 'For the user to type: `ABCD-1234`' }),
    verification_uri: Type.String({ description: 'Where the user types it' }),
    verification_uri_complete: Type.String({ description: 'The same with the code in it, for a QR code' }),
    expires_in: Type.Integer({ description: 'Lifetime of both codes in seconds' }),
    interval: Type.Integer({ description: 'Seconds to wait between two questions' }),
  },
  { description: 'The codes' },
);

/** What a client is told when it registers (RFC 7591 §3.2.1, RFC 7592 §3). */
export const registered = Type.Object(
  {
    ...ClientMembers.properties,
    client_id: Type.String(),
    client_secret: text('Of a client that authenticates with one.'),
    client_id_issued_at: Type.Integer({ description: 'Unix time in seconds' }),
    client_secret_expires_at: Type.Integer({ description: '0: it does not' }),
    registration_client_uri: Type.String({ description: 'Where the client manages itself (RFC 7592)' }),
    registration_access_token: Type.String({ description: 'The bearer token that it does so with' }),
  },
  { additionalProperties: true, description: 'The client as it is registered' },
);
