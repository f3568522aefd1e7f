/**
 * Examples of what the document describes: believable values by field name, and command lines with a tenant's own
 * addresses, meant to be pasted as they stand.
 */
import { type OpenApi, type Operation, type Parameter, resolve, type Schema } from './openapi-types.ts';

/** Whose reference it is. */
export type Site = { origin: string; account: string; audience: string };
export type Curl = { before: string; body: string; after: string };

const HEX = '665f1c0b2a9d4e0012ab34cd';
const TIME = '2026-03-14T09:26:53.589Z';
/** What ids of a resource start with, where it is not the field's or schema's name. */
const PREFIXES: Record<string, string> = {
  AuthAccount: 'account',
  Credential: 'credentials',
  default_connection: 'connection',
};
const REFERENCES = /^(?:(?:api|user|role|client|connection|team|identity|account|action|ticket)(?:_id)?|\w+_id)$/;

const NAMES: Record<string, string> = {
  AuthAccount: 'Acme',
  User: 'Ada Lovelace',
  Role: 'editor',
  Client: 'Orders',
  Api: 'Orders API',
  Team: 'Engineering',
  Action: 'Greet',
};

/** Believable values by field name; what is not here follows from the schema. */
const SAMPLES: Record<string, unknown> = {
  email: 'ada@example.com',
  new_email: 'ada@example.org',
  recipients: ['operations@example.com'],
  events: ['user.created'],
  secret: '••••••••',
  url: 'https://orders.example.com/hooks',
  code: 'exports.onExecutePostLogin = async (event, api) => {};',
  username: 'ada',
  given_name: 'Ada',
  family_name: 'Lovelace',
  connection_name: 'Staff',
  description: 'What it is for',
  slug: 'acme',
  identifier: 'https://orders.example.com',
  callbacks: ['https://orders.example.com/callback'],
  logout_urls: ['https://orders.example.com/'],
  web_origins: [],
  contacts: [],
  scope: 'openid profile email',
  client_secret: '••••••••',
  token_signature: '••••••••',
  password: 'Correct horse battery staple 1',
  token_type: 'Bearer',
  access_token: 'eyJhbGciOiJSUzI1NiIs…',
  id_token: 'eyJhbGciOiJSUzI1NiIs…',
  refresh_token: 'Ln2vTq9…',
  expires_in: 86_400,
  token_lifetime: 86_400,
  callback_hostnames: [],
  enabled_locales: ['en', 'es'],
  permissions: [],
  value: 'read:orders',
  locale: 'en',
  type: 'auth.login',
  kid: 'y62BjdlLB4ERWuZs',
  production_kid: 'y62BjdlLB4ERWuZs',
  previous_production_kid: 'qk0WzTnR7b1mYc5d',
  next_in_queue_kid: 'BNj_1K4REUJe6XMn',
  kids_active: ['y62BjdlLB4ERWuZs', 'BNj_1K4REUJe6XMn'],
  kty: 'RSA',
  use: 'sig',
  alg: 'RS256',
  n: '0U0yqwVehXE4UW8A…',
  e: 'AQAB',
  commit: 'a7270e9',
  version: '0.1.0',
  enabled: true,
  active: true,
  logins_count: 12,
  last_ip: '203.0.113.7',
  metadata: {},
  user_code: 'ABCD-1234',
  device_code: 'DEVICE_CODE',
  ticket: 'TICKET',
  user_metadata: {},
  app_metadata: {},
  next: null,
};

type Maker = (schema: Schema, name?: string, owner?: string) => unknown;

/** Members of answers that may be missing and are there as a rule: by operation, or by the name of the row. */
const SHOWN: Record<string, readonly string[]> = {
  'oauth/token': ['scope'],
  'oauth/tokenGet': ['id_token', 'scope'],
  'oauth/userinfo': ['name', 'preferred_username', 'updated_at', 'email', 'email_verified'],
  'oauth/introspect': ['sub', 'client_id', 'scope', 'aud', 'iss', 'exp', 'iat', 'jti', 'token_type'],
  User: ['name', 'email'],
};

/**
 * Makes an example of whatever a schema describes.
 * @param answered the operation whose answer it is, which has what is always there and little besides; else all that a
 *   request may have.
 */
export function exampleMaker(document: OpenApi, site: Site, answered?: string): Maker {
  const shows = (owner: string, field: string, required: readonly string[] = []) =>
    !answered || required.includes(field) || Boolean((SHOWN[owner] ?? SHOWN[answered])?.includes(field));
  const idFor = (kind: string) => (kind === 'account' ? site.account : `${kind}_${HEX}`);
  /** Addresses of this server, as discovery names them. */
  const own: Record<string, unknown> = {
    issuer: site.origin,
    authorization_endpoint: `${site.origin}/authorize`,
    token_endpoint: `${site.origin}/oauth/token`,
    userinfo_endpoint: `${site.origin}/userinfo`,
    jwks_uri: `${site.origin}/.well-known/jwks.json`,
    end_session_endpoint: `${site.origin}/logout`,
    management_audience: site.audience,
    domain: new URL(site.origin).host,
    host: new URL(site.origin).hostname,
    sub: idFor('user'),
    client_id: idFor('client'),
  };
  const make: Maker = (schema, name = '', owner = '') => {
    if (schema.$ref) return make(resolve(document, schema), name, schema.$ref.split('/').at(-1));
    if (name === 'id') return idFor(PREFIXES[owner] ?? owner.toLowerCase());
    if (name === 'name') return NAMES[owner.replace(/(Create|Update)$/, '')] ?? 'Ada Lovelace';
    if (name === 'domain' && owner.startsWith('Customdomain')) return 'login.example.com';
    if (name in own) return own[name];
    if (name in SAMPLES && fits(schema, SAMPLES[name])) return SAMPLES[name];
    const [option] = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
    if (PREFIXES[name]) return idFor(PREFIXES[name]);
    if (REFERENCES.test(name) && (option ?? schema).type === 'string') return idFor(name.replace(/_id$/, ''));
    if (option) return make(option, name, owner);
    if (schema.default !== undefined) return schema.default;
    if (schema.nullable) return null;
    if (schema.enum) return schema.enum[0];
    if (schema.type === 'array') return [make(schema.items ?? {}, singular(name), owner)];
    if (schema.type === 'object')
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([field]) => shows(owner, field, schema.required))
          .map(([field, inner]) => [field, make(inner, field, owner)]),
      );
    return scalar(schema, name);
  };
  return make;
}

const singular = (name: string) => name.replace(/s$/, '');

function fits({ type, anyOf }: Schema, sample: unknown): boolean {
  if (anyOf || type === undefined) return true;
  if (type === 'array') return Array.isArray(sample);
  if (type === 'integer' || type === 'number') return typeof sample === 'number';
  if (sample === null) return true;
  return typeof sample === type && !Array.isArray(sample);
}

function scalar({ type, format, minimum }: Schema, name: string): unknown {
  if (type === 'boolean') return false;
  if (type === 'integer' || type === 'number') return Math.max(minimum ?? 1, 1);
  if (format === 'date-time') return TIME;
  if (/(?:url|uri)$/.test(name)) return 'https://orders.example.com/';
  return type === 'string' ? name || 'text' : {};
}

type Called = {
  method: string;
  path: string;
  operation: Operation;
  parameters: Parameter[];
  /** Content type and schema of the request body. */
  type: string | undefined;
  schema: Schema | undefined;
  required: readonly string[];
};

/** Sixteen pixels each way, in black. */
const SMALL_PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQAAAAA3iMLMAAAADElEQVR4nGNgIA0AAAAwAAEWiZrRAAAAAElFTkSuQmCC';

/** Requests whose parameters depend on each other, so that no schema can tell a good example. */
function chosen(site: Site, operationId: string): Record<string, unknown> | undefined {
  const client_id = `client_${HEX}`;
  const login = {
    client_id,
    response_type: 'code',
    redirect_uri: 'https://orders.example.com/callback',
    scope: 'openid profile email',
    state: 'af0ifjsldkj',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  };
  const machine = {
    grant_type: 'client_credentials',
    client_id,
    client_secret: 'CLIENT_SECRET',
    audience: site.audience,
  };
  const code = { grant_type: 'authorization_code', code: 'CODE', redirect_uri: login.redirect_uri };
  // With an address to go to there would be no answer to show.
  const leave = { client_id };
  return {
    authorize: login,
    authorizePost: login,
    'oauth/par': { ...login, client_secret: 'CLIENT_SECRET' },
    'oauth/token': machine,
    'oauth/tokenGet': code,
    'oauth/revoke': { client_id, client_secret: 'CLIENT_SECRET', token: 'TOKEN' },
    'oauth/introspect': { client_id, client_secret: 'CLIENT_SECRET', token: 'TOKEN' },
    'oauth/deviceCode': { client_id, scope: 'openid profile offline_access', device_name: 'kitchen display' },
    'oauth/updateRegistration': { client_id, client_name: 'Orders', redirect_uris: [login.redirect_uri] },
    'usernamepassword/login': { username: 'ada@example.com', password: 'Correct horse battery staple 1', ...login },
    change_password_change: { state: 'RESET_TICKET', new_password: 'Correct horse battery staple 2' },
    'account/setLogo': { scheme: 'light', data: SMALL_PICTURE },
    'passwordless/start': { client_id, email: 'ada@example.com', send: 'code' },
    'mailtemplate/create': {
      template: 'verify_email',
      locale: 'en',
      subject: 'Welcome to {{ tenant }}',
      html: '<p><a href="{{ link }}">Confirm {{ to }}</a></p>',
      text: 'Confirm {{ to }}: {{ link }}',
    },
    'mailtemplate/update': { active: false },
    'notificationsubscription/create': {
      events: ['user.created'],
      channel: 'email',
      config: { recipients: ['operations@example.com'] },
    },
    'notificationsubscription/update': { active: false },
    'notificationsubscription/redeliver': { message: `outbox_${HEX}` },
    'session/logout': leave,
    'session/logoutPost': leave,
  }[operationId];
}

/** The call as a command line; its body apart, because a script can send that too. */
export function curlOf(site: Site, make: Maker, call: Called): Curl {
  const { method, operation, parameters, type, schema } = call;
  const picked = chosen(site, operation.operationId);
  const query = new URLSearchParams(type ? {} : ((picked as Record<string, string>) ?? queryExample(make, parameters)));
  const path = call.path.replace(/\{(\w+)\}/g, (_, name: string) => String(make({ type: 'string' }, name)));
  const search = query.size ? `?${query}` : '';
  const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}'${site.origin}${path}${search}'`];
  const wantsToken = operation.security?.some((scheme) => 'bearerAuth' in scheme);
  if (wantsToken) lines.push('-H "Authorization: Bearer $TOKEN"');
  // A secret has no place in an address, which logs keep.
  if (method === 'GET' && operation.security?.some((scheme) => 'clientBasic' in scheme))
    lines.push(`-u '${make({}, 'client_id')}:CLIENT_SECRET'`);
  if (!schema) return { before: lines.join(CONTINUED), body: '', after: '' };
  if (typeof schema.example === 'string') {
    lines.push(`-H 'Content-Type: ${type}'`, "--data-binary '");
    return { before: lines.join(CONTINUED), body: shellQuoted(schema.example), after: "'" };
  }
  const fields = picked ?? bodyExample(make, operation, schema, call.required);
  if (type === 'application/x-www-form-urlencoded') {
    const pairs = Object.entries(fields).map(([name, value]) => `-d '${name}=${formValue(String(value))}'`);
    return { before: `${lines.join(CONTINUED)}${CONTINUED}`, body: pairs.join(CONTINUED), after: '' };
  }
  lines.push(`-H 'Content-Type: ${type}'`, "-d '");
  return { before: lines.join(CONTINUED), body: shellQuoted(JSON.stringify(fields, null, 2)), after: "'" };
}

/** What has to be there, and how to page. */
function queryExample(make: Maker, parameters: readonly Parameter[]): Record<string, string> {
  const asked = parameters.filter((parameter) => parameter.in === 'query');
  const needed = asked.filter(({ required }) => required).map(({ name, schema }) => [name, String(make(schema, name))]);
  return { ...Object.fromEntries(needed), ...(asked.some(({ name }) => name === 'pageSize') && { pageSize: '10' }) };
}

const CONTINUED = ' \\\n  ';
/** Inside single quotes; the reference's script undoes it. */
const shellQuoted = (text: string) => text.replaceAll("'", "'\\''");
/** As little escaped as a form needs, so that addresses stay readable. */
const formValue = (text: string) =>
  text.replace(/[%&+]/g, encodeURIComponent).replaceAll("'", '%27').replaceAll(' ', '+');

/** Fields of bodies that a schema calls optional, and a reader will want. */
const BODIES: Record<string, readonly string[]> = {
  'user/create': ['name', 'email'],
  'client/create': ['name', 'callbacks', 'logout_urls'],
  'credentials/create': ['user', 'connection', 'email', 'password'],
  'rolemember/create': ['users', 'role'],
  'teammember/create': ['users', 'team'],
  'action/create': ['name', 'trigger', 'code'],
  'oauth/register': ['client_name', 'redirect_uris'],
  'identity/create': ['account', 'connection', 'user', 'identity_id', 'profile_data', 'access_token'],
};

/** What is required, or where nothing is, the first two fields: a patch names what it changes and nothing else. */
function bodyExample(
  make: Maker,
  { operationId }: Operation,
  schema: Schema,
  required: readonly string[],
): Record<string, unknown> {
  const whole = make({ ...schema, nullable: false }) as Record<string, unknown>;
  const names = BODIES[operationId] ?? (required.length ? required : Object.keys(whole).slice(0, 2));
  return Object.fromEntries(names.map((name) => [name, whole[name]]));
}
