/** The document says what is served: it is valid, complete and committed, and nothing is public by accident. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { Ajv } from 'ajv';
import type { RouteOptions } from 'fastify';
import { COMMITTED, currentDocument } from '../../scripts/openapi.ts';
import { platformPermissions } from '../../src/domain/api/permission.ts';
import { TAGS } from '../../src/http/docs/openapi-document.ts';
import { type OpenApi, type Operation, type Parameter, resolve } from '../../src/http/docs/openapi-types.ts';
import { requestValidator } from '../../src/resource/validation.ts';

type Listed = { method: string; path: string; operation: Operation };

let document: OpenApi;
let text: string;
let operations: Listed[];
const routes: RouteOptions[] = [];

before(async () => {
  ({ document, text } = await currentDocument((route) => routes.push(route)));
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  );
});

const named = ({ method, path }: Listed) => `${method.toUpperCase()} ${path}`;
const verbsOf = ({ method }: RouteOptions) => [method].flat().filter((verb) => verb !== 'HEAD' && verb !== 'OPTIONS');
const served = () => routes.flatMap((route) => verbsOf(route).map((verb) => ({ name: `${verb} ${route.url}`, route })));

/**
 * Everything that somebody without a token or a session may ask for, preflights aside. A new line here is what a review
 * has to look at.
 */
const PUBLIC = [
  'DELETE /oidc/register/:client_id',
  'GET /',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/oauth-protected-resource',
  'GET /.well-known/openid-configuration',
  'GET /account/host/:host',
  'GET /activate',
  'GET /assets/:file',
  'GET /authorize',
  'GET /authorize/:uid',
  'GET /branding/:file',
  'GET /challenge',
  'GET /change-email-verify',
  'GET /confirm',
  // In development only.
  'GET /dev/outbox',
  'GET /dev/outbox/:id',
  'GET /dev/outbox/:id/html',
  'GET /docs',
  'GET /docs/json',
  'GET /healthz',
  'GET /invite-verify',
  'GET /logout',
  'GET /oauth/token',
  'GET /oidc/register/:client_id',
  'GET /passwordless/verify_redirect',
  'GET /playground',
  'GET /readyz',
  'GET /reset-change',
  'GET /reset-verify',
  'GET /userinfo',
  'GET /v2/logout',
  'GET /verify-email',
  'GET /version',
  'POST /authorize',
  'POST /change-email-verify',
  'POST /dbconnections/change_password',
  'POST /dbconnections/signup',
  'POST /invite-verify',
  'POST /login/callback',
  'POST /logout',
  'POST /oauth/device/code',
  'POST /oauth/introspect',
  'POST /oauth/par',
  'POST /oauth/revoke',
  'POST /oauth/token',
  'POST /oidc/register',
  'POST /passwordless/start',
  'POST /passwordless/verify_redirect',
  'POST /reset-change',
  'POST /userinfo',
  'POST /usernamepassword/login',
  'POST /verify-email',
  // With a password of its own.
  'POST /webhooks/postmark',
  'PUT /oidc/register/:client_id',
];

describe('routes', () => {
  test('each declares who may call it', () => {
    assert.deepEqual(
      served()
        .filter(({ route }) => route.config?.access === undefined)
        .map(({ name }) => name),
      [],
    );
  });

  test('each takes what a schema says that can be compiled', () => {
    const parts = { body: 'body', querystring: 'query', params: 'params' };
    for (const { route } of served())
      for (const [name, httpPart] of Object.entries(parts)) {
        const schema = (route.schema as Record<string, unknown> | undefined)?.[name];
        if (schema) requestValidator({ schema, httpPart })(undefined);
      }
  });

  test('those that are public are on the list', () => {
    const found = served().filter(({ route }) => route.config?.access === 'public');
    assert.deepEqual([...new Set(found.map(({ name }) => name))].sort(), PUBLIC);
  });

  test('each that is not hidden is in the document, with a name, a tag and a summary', () => {
    const documented = new Set(operations.map(named));
    for (const { name, route } of served()) {
      if ((route.schema as { hide?: boolean } | undefined)?.hide) continue;
      assert.ok(documented.has(name.replace(/:(\w+)/g, '{$1}')), `${name} is not documented and not hidden`);
    }
    for (const listed of operations) {
      const { operationId, tags, summary } = listed.operation;
      assert.ok(operationId && summary && tags?.length === 1, `${named(listed)} lacks its name, tag or summary`);
      assert.ok(
        TAGS.some((tag) => tag.name === tags[0]),
        `${named(listed)} has the tag ${tags[0]}, which nobody describes`,
      );
    }
  });

  test('what a route needs is a permission that the catalogue has', () => {
    const catalogue = new Set(platformPermissions().map(({ value }) => value));
    for (const { name, route } of served()) {
      const access = route.config?.access;
      if (typeof access !== 'object') continue;
      assert.ok(catalogue.has(access.permission), `${name} needs ${access.permission}, which nobody can be granted`);
    }
  });
});

describe('the document', () => {
  test('is committed as the routes have it', () => {
    const current = readFileSync(COMMITTED, 'utf8') === text;
    assert.ok(current, 'openapi/cardea.json is stale: run `npm run openapi` and commit the result');
  });

  test('has the shape that OpenAPI 3.0.3 asks for', () => {
    const validate = new Ajv({ strict: false, allErrors: true }).compile(SHAPE);
    assert.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 5), null, 2));
  });

  test('spells schemas the 3.0 way and refers to nothing that is not there', () => {
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { $ref, type } = node as { $ref?: unknown; type?: unknown };
      if (typeof $ref === 'string') assert.ok(resolve(document, { $ref }), `${path} refers to ${$ref}`);
      if (!path.endsWith('/properties')) {
        assert.notEqual(type, 'null', path);
        assert.ok(!Array.isArray(type), path);
        for (const keyword of ['$id', 'const', 'patternProperties', 'examples', '$defs', 'if'])
          assert.ok(!(keyword in node), `${path} has ${keyword}, which 3.0 does not know`);
      }
      for (const [key, child] of Object.entries(node)) walk(child, `${path}/${key}`);
    };
    walk(document, '');
  });

  test('names every operation once', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.deepEqual(ids, [...new Set(ids)]);
  });

  test('has a parameter for each part of a path, and no other', () => {
    for (const listed of operations) {
      const inPath = [...listed.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
      const parameters = (listed.operation.parameters ?? []).map((parameter) =>
        resolve<Parameter>(document, parameter),
      );
      const described = parameters.filter((parameter) => parameter.in === 'path');
      assert.deepEqual(described.map(({ name }) => name).sort(), inPath, named(listed));
      assert.ok(
        described.every(({ required }) => required),
        named(listed),
      );
    }
  });

  test('names the permission of each protected operation, in words and for programs', () => {
    for (const { operation } of operations) {
      const permission = operation['x-permission'];
      if (!permission) continue;
      assert.match(
        operation.description!,
        new RegExp(`Needs the permission \`${permission}\`(, or .+)?(, and every one that the call gives)?\\.$`),
      );
      assert.deepEqual(Object.keys(operation.security!.find((scheme) => 'bearerAuth' in scheme)!), ['bearerAuth']);
      assert.ok(operation.responses['401'] && operation.responses['403'], operation.operationId);
    }
  });

  test('has one error for the management API and one for OAuth', () => {
    const errorOf = (path: string, method: string, status: string) =>
      resolve(document, document.paths[path]![method]!.responses[status]!).content!['application/json']!.schema!.$ref;
    assert.equal(errorOf('/role', 'post', '400'), '#/components/schemas/Error');
    assert.equal(errorOf('/role/{role_id}', 'get', '404'), '#/components/schemas/Error');
    assert.equal(errorOf('/oauth/token', 'post', '401'), '#/components/schemas/OAuthError');
    const { required, properties } = document.components.schemas.Error!;
    assert.deepEqual(
      [required, Object.keys(properties!)],
      [
        ['statusCode', 'code', 'message'],
        ['statusCode', 'code', 'message', 'details'],
      ],
    );
  });

  test('does not name the host it was made on', () => {
    assert.deepEqual(
      document.servers.map(({ url }) => url),
      ['/'],
    );
    assert.doesNotMatch(text, /localhost|127\.0\.0\.1/);
  });
});

/** The skeleton of the OpenAPI 3.0 schema: what tools stumble over when it is not so. */
const reference = { type: 'object', required: ['$ref'], properties: { $ref: { pattern: '^#/components/' } } };
const or = (shape: object) => ({ anyOf: [reference, shape] });
const media = { type: 'object', additionalProperties: { type: 'object', properties: { schema: { type: 'object' } } } };
const response = or({
  type: 'object',
  required: ['description'],
  properties: { description: { type: 'string', minLength: 1 }, content: media, headers: { type: 'object' } },
  additionalProperties: false,
});
const parameter = or({
  type: 'object',
  required: ['name', 'in', 'schema'],
  properties: {
    in: { enum: ['path', 'query', 'header', 'cookie'] },
    schema: { type: 'object', not: { required: ['description'] } },
  },
});
const SHAPE = {
  type: 'object',
  required: ['openapi', 'info', 'paths', 'components', 'tags', 'servers'],
  properties: {
    openapi: { const: '3.0.3' },
    info: { type: 'object', required: ['title', 'version', 'license'] },
    servers: { type: 'array', minItems: 1, items: { type: 'object', required: ['url'] } },
    tags: { type: 'array', items: { type: 'object', required: ['name', 'description'] } },
    paths: {
      type: 'object',
      propertyNames: { pattern: '^/[^:]*$' },
      additionalProperties: {
        type: 'object',
        propertyNames: { enum: ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] },
        additionalProperties: {
          type: 'object',
          required: ['operationId', 'responses', 'tags', 'summary'],
          properties: {
            parameters: { type: 'array', items: parameter },
            requestBody: { type: 'object', required: ['content'], properties: { content: media } },
            responses: {
              type: 'object',
              minProperties: 1,
              propertyNames: { pattern: '^([1-5](\\d\\d|XX)|default)$' },
              additionalProperties: response,
            },
            security: { type: 'array', items: { type: 'object', additionalProperties: { type: 'array' } } },
          },
        },
      },
    },
    components: {
      type: 'object',
      properties: {
        schemas: { type: 'object', propertyNames: { pattern: '^[\\w.-]+$' }, additionalProperties: { type: 'object' } },
        responses: { type: 'object', additionalProperties: response },
        parameters: { type: 'object', additionalProperties: parameter },
        securitySchemes: {
          type: 'object',
          additionalProperties: {
            type: 'object',
            properties: { type: { enum: ['http', 'apiKey', 'oauth2', 'openIdConnect'] } },
          },
        },
      },
      additionalProperties: false,
    },
  },
};
