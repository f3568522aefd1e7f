/**
 * What every operation of the document shares: tags, error answers, the `account_id` header, names for bodies, OpenAPI
 * 3.0's own spelling, and an order that does not depend on who registered first.
 */
import { STATUS_CODES } from 'node:http';
import { resourcesNotYet, resourceTags } from '../../domain/index.ts';
import { FAULTS } from '../../kernel/fault.ts';
import type { Answer, OpenApi, Operation, Parameter, Schema } from './openapi-types.ts';

// biome-ignore lint/suspicious/noExplicitAny: a JSON document that is rewritten in place
type Node = any;
/** In reading order: logging people in, then managing what they log in with. */
export const TAGS = [
  { name: 'oauth', title: 'OAuth and OpenID Connect', description: 'Logging in and getting tokens.' },
  { name: 'session', title: 'Session', description: "The browser's session at this account." },
  { name: 'passwordless', title: 'Passwordless', description: 'Logging in by a mailed code or link.' },
  { name: 'usernamepassword', title: 'Username and password', description: 'Logging in from a page of your own.' },
  { name: 'dbconnection', title: 'Sign-up and password reset', description: 'What users of a database connection do.' },
  ...resourceTags,
  { name: 'system', title: 'System', description: 'The state of the running process. Needs neither host nor token.' },
];

const reference = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` });

/** Codes that only pages and the token endpoint answer; the management API never does. */
const ELSEWHERE = new Set([
  'csrf',
  'flow_expired',
  'wrong_credentials',
  'unknown_user',
  'locked_out',
  'mfa_required',
  'login_over',
  'invalid_target',
  'consent_required',
]);

/** The refusals that are documented, with the codes of the management API: status → code → what a stranger may read. */
export const REFUSALS: ReadonlyMap<number, readonly { code: string; message: string }[]> = new Map(
  [400, 401, 403, 404, 409, 413, 415, 422, 429, 503].map((status) => [
    status,
    Object.entries(FAULTS)
      .filter(([code, row]) => row.status === status && !ELSEWHERE.has(code))
      .map(([code, { message }]) => ({ code, message })),
  ]),
);

/** Three ways to say no: management JSON, OAuth JSON (RFC 6749 §5.2), and a page where a browser came by itself. */
const DIALECTS = {
  management: { prefix: '', content: { 'application/json': { schema: reference('schemas', 'Error') } } },
  oauth: { prefix: 'OAuth', content: { 'application/json': { schema: reference('schemas', 'OAuthError') } } },
  page: { prefix: 'Page', content: { 'text/html': { schema: { type: 'string' } } } },
};
type Dialect = keyof typeof DIALECTS;

const refusalName = (dialect: Dialect, status: number) =>
  DIALECTS[dialect].prefix + STATUS_CODES[status]!.replace(/ /g, '');

function refusal(dialect: Dialect, status: number): Answer {
  const codes = REFUSALS.get(status)!;
  const header = (description: string, type = 'string') => ({ description, schema: { type } });
  return {
    description:
      dialect === 'management'
        ? codes.map(({ code, message }) => `${message} (\`${code}\`)`).join(' ')
        : STATUS_CODES[status]!,
    ...(status === 401 && { headers: { 'WWW-Authenticate': header('What was wrong with the token (RFC 6750 §3)') } }),
    ...((status === 429 || status === 503) && {
      headers: { 'Retry-After': header('Seconds after which a retry makes sense', 'integer') },
    }),
    content: DIALECTS[dialect].content,
  };
}

export const COMPONENTS: Pick<OpenApi['components'], 'parameters' | 'securitySchemes'> = {
  securitySchemes: {
    bearerAuth: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: "An access token for the account's management audience; for `/userinfo`, any of a user's.",
    },
    clientBasic: { type: 'http', scheme: 'basic', description: "A client's id and secret (RFC 6749 §2.3.1)." },
    session: {
      type: 'apiKey',
      in: 'cookie',
      name: 'cardea_sess',
      description: "The browser's session; over TLS its name begins with `__Host-`.",
    },
  },
  parameters: {
    AccountId: {
      name: 'account_id',
      in: 'header',
      required: false,
      description: "The account that is meant, where it is not the host's own.",
      schema: { type: 'string', maxLength: 100 },
    },
  },
};

const ERRORS: Record<string, Schema> = {
  Error: {
    type: 'object',
    description: 'Why a call was refused',
    required: ['statusCode', 'code', 'message'],
    properties: {
      statusCode: { type: 'integer', description: 'The HTTP status' },
      code: { type: 'string', description: 'For programs: stable, lower case, e.g. `not_found`' },
      message: { type: 'string', description: 'For people' },
      details: {
        description: 'The failing paths of a validation, `[{path, message}]`; the missing permission, `{missing}`',
      },
    },
  },
  OAuthError: {
    type: 'object',
    description: 'Why a request was refused (RFC 6749 §5.2)',
    required: ['error'],
    properties: {
      error: { type: 'string', description: 'e.g. `invalid_grant`' },
      error_description: { type: 'string', description: 'For people' },
    },
  },
};

/** The generated document, completed. The routes' own schemas are left alone. */
export function finish(generated: OpenApi): OpenApi {
  const document = JSON.parse(JSON.stringify(generated)) as OpenApi;
  Object.assign(document.components.schemas, ERRORS);
  document.components.responses = {};
  for (const item of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      nameBody(document, operation);
      refuse(document, method, operation);
      for (const answer of Object.values(operation.responses))
        if (answer.description === 'Default Response') answer.description = 'Done';
    }
  }
  for (const one of resourcesNotYet) markNotYet(document, one);
  spell(document);
  return order(document);
}

/** The bodies of create and update get the names of the contract: `RoleCreate`, `RoleUpdate`. */
function nameBody({ components }: OpenApi, operation: Operation): void {
  const verb = /\/(create|update)$/.exec(operation.operationId)?.[1];
  const media = operation.requestBody?.content['application/json'];
  const row = (operation.responses['200'] ?? operation.responses['201'])?.content?.['application/json']?.schema?.$ref;
  if (!verb || !row || !media?.schema || media.schema.$ref) return;
  const title = row.split('/').at(-1)!;
  const name = `${title === 'Credential' ? 'Credentials' : title}${verb === 'create' ? 'Create' : 'Update'}`;
  components.schemas[name] = media.schema;
  media.schema = reference('schemas', name);
}

/** Said at the field and at the bodies that write it, or at all operations of a resource. */
function markNotYet(document: OpenApi, { name, title, field, says }: (typeof resourcesNotYet)[number]): void {
  const { schemas } = document.components;
  const marked = { 'x-not-yet': says };
  if (field === undefined) {
    Object.assign(schemas[title]!, marked);
    for (const item of Object.values(document.paths))
      for (const operation of Object.values(item)) if (operation.tags.includes(name)) Object.assign(operation, marked);
    return;
  }
  for (const body of [title, `${title}Create`, `${title}Update`]) {
    const schema = schemas[body]?.properties?.[field];
    if (schema) Object.assign(schema, marked);
  }
}

/** Adds the refusals that follow from what an operation takes; those that a route declares itself stay. */
function refuse({ components }: OpenApi, method: string, operation: Operation): void {
  const managed = operation['x-permission'] !== undefined;
  if (managed)
    operation.parameters = [...(operation.parameters ?? []), reference('parameters', 'AccountId') as Parameter];
  const { parameters = [], requestBody, security, tags } = operation;
  const inPath = parameters.some((parameter) => parameter.in === 'path');
  const json = Object.values(operation.responses).some(({ content }) => content?.['application/json']);
  const dialect: Dialect = tags.includes('oauth')
    ? json
      ? 'oauth'
      : 'page'
    : json || method !== 'get'
      ? 'management'
      : 'page';
  const writes = managed && (requestBody || method === 'delete');
  const applies: Record<number, unknown> = {
    400: requestBody || parameters.length > 0,
    401: security?.some((scheme) => Object.keys(scheme).length > 0),
    403: managed || security?.some((scheme) => 'session' in scheme),
    404: inPath,
    409: writes,
    413: requestBody,
    415: requestBody,
    422: managed && requestBody,
    429: !managed && requestBody,
    503: !tags.includes('system') || operation.operationId === 'getReadiness',
  };
  for (const status of REFUSALS.keys()) {
    if (!applies[status] || operation.responses[status]) continue;
    const name = refusalName(dialect, status);
    components.responses[name] ??= refusal(dialect, status);
    operation.responses[status] = reference('responses', name) as Answer;
  }
}

/** OpenAPI 3.0 has no null type, no $id and no numeric exclusive bounds; JSON Schema has. */
function spell(node: Node): void {
  if (typeof node !== 'object' || node === null) return;
  for (const child of Object.values(node)) spell(child);
  if (typeof node.$id === 'string') delete node.$id;
  if (!Array.isArray(node.anyOf)) return;
  const options = node.anyOf.flatMap((option: Node) => option.anyOf ?? option);
  const rest = options.filter((option: Node) => option.type !== 'null');
  if (rest.length === node.anyOf.length) return;
  delete node.anyOf;
  // Siblings of a $ref are ignored in 3.0.
  const spelled = rest.length === 1 ? (rest[0].$ref ? { allOf: rest } : rest[0]) : { anyOf: rest };
  Object.assign(node, { ...spelled, ...node, nullable: true });
}

function order(document: OpenApi): OpenApi {
  const rank = new Map(TAGS.map(({ name }, index) => [name, index]));
  const rankOf = (item: Record<string, Operation>) => rank.get(Object.values(item)[0]!.tags[0]!) ?? TAGS.length;
  const used = new Set(
    Object.values(document.paths).flatMap((item) => Object.values(item).flatMap(({ tags }) => tags)),
  );
  const byName = <T>(record: Record<string, T>) =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  const { schemas, responses } = document.components;
  return {
    ...document,
    tags: document.tags.filter(({ name }) => used.has(name)),
    paths: Object.fromEntries(Object.entries(document.paths).sort(([, a], [, b]) => rankOf(a) - rankOf(b))),
    components: { ...document.components, schemas: byName(schemas), responses: byName(responses) },
  };
}
