/**
 * Users in and out as newline-delimited JSON. The import streams, reports line by line and may be repeated: a line whose
 * identifier exists already is left alone. Hashes of other systems are kept as they are until the first login.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { offers } from '../../../connections/registry.ts';
import type { Tenant } from '../../../kernel/context.ts';
import { Fault } from '../../../kernel/fault.ts';
import { may } from '../../../resource/presentation.ts';
import { missingReference } from '../../../resource/references.ts';
import { connections } from '../../connection/connection.ts';
import { append } from '../../trail/log.ts';
import { exportUsers, SEE_HASHES } from './export.ts';
import { importUsers } from './import.ts';
import type { ConnectionOf } from './line.ts';

/**
 * Where a line's logins belong: at the connection that the call names, else at the one that the line names, else at the
 * account's default one.
 * @throws Fault `invalid_reference` for a call that names none of the account's databases.
 */
async function connectionsOf(tenant: Tenant, named: string | undefined): Promise<{ id: string; of: ConnectionOf }> {
  const databases = (await connections.all(tenant, {})).filter(({ connection_type }) =>
    offers(connection_type, 'checkPassword'),
  );
  const find = (name: string) => databases.find(({ id, connection_name }) => id === name || connection_name === name);
  const id = named ?? tenant.account.default_connection ?? '';
  if (!databases.some((one) => one.id === id)) missingReference('connection', id);
  return {
    id,
    of(name) {
      if (name === undefined || named !== undefined) return id;
      const found = find(name);
      if (!found) throw new Fault('validation', `there is no database connection "${name}"; make it first`);
      return found.id;
    },
  };
}

const NDJSON = 'application/x-ndjson';
const notLines = () =>
  new Fault('unsupported_media_type', `Send one user on each line, with the content type ${NDJSON}.`);
const EXAMPLE =
  '{"email": "grace@example.org", "name": "Grace Hopper", "email_verified": true}\n{"username": "alan"}\n';
const lines = (description: string) => ({ description, content: { [NDJSON]: { schema: Type.String() } } });

/** @param importBytes what one import may have. */
export function mount(app: FastifyInstance, { importBytes }: { importBytes: number }): void {
  app.register(async (scope) => {
    // Without the server's own: JSON that is several lines would be told that it is no JSON.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser([NDJSON, 'application/jsonl'], (_request, payload, done) => done(null, payload));
    scope.addContentTypeParser('*', (_request, _payload, done) => done(notLines()));
    const describe = { tags: ['user'], security: [{ bearerAuth: [] }] };

    scope.post(
      '/user/import',
      {
        config: {
          // What users log in with comes along.
          access: {
            permission: 'create:users',
            gives: ({ body }) => (body instanceof Readable ? ['create:credentials'] : []),
          },
        },
        schema: {
          ...describe,
          operationId: 'user/import',
          summary: 'Import users',
          description:
            'Newline-delimited JSON (`application/x-ndjson`), one user a line, 100,000 at most, as `GET /user/export` gives it; ' +
            '`password_hash` takes bcrypt, argon2, scrypt and pbkdf2, `custom_password_hash` Auth0’s form. A first line ' +
            '`{"hash_config": {…}}` carries the parameters of a Firebase export. Ids of ours are kept where they are free. ' +
            'Answers a report a line. Repeating the call changes nothing.',
          consumes: [NDJSON],
          // Read line by line, so it is nothing that a validator could see.
          body: Type.Unsafe({ description: 'A user on each line', example: EXAMPLE }),
          response: { 200: lines('A report a line, and a summary') },
          querystring: Type.Object(
            {
              connection: Type.Optional(
                Type.String({
                  maxLength: 100,
                  description:
                    'Database connection of all logins; without it the one that a line names, else the default one',
                }),
              ),
            },
            { additionalProperties: false },
          ),
        },
      },
      async (request, reply) => {
        if (!(request.body instanceof Readable)) throw notLines();
        const { tenant } = request;
        const { connection } = request.query as { connection?: string };
        const { id, of } = await connectionsOf(tenant, connection);
        const counts = { created: 0, exists: 0, failed: 0 };
        const body = request.body;
        const report = async function* () {
          yield* importUsers(tenant, body, { bodyBytes: importBytes, connectionOf: of, counts });
          await append(tenant, {
            type: 'admin.user.imported',
            status: 'success',
            connection: id,
            data: { actor: request.actor.id, actor_kind: request.actor.kind, ip: request.from.ip, ...counts },
          });
          yield `${JSON.stringify({ summary: counts })}\n`;
        };
        const chunks = report();
        // What is refused before the first of them is the answer.
        const first = await chunks.next().catch((error: unknown) => {
          // The rest of the body is not waited for.
          reply.header('connection', 'close');
          throw error;
        });
        const answer = async function* () {
          yield first.value!;
          yield* chunks;
        };
        return reply.header('content-type', NDJSON).send(Readable.from(answer()));
      },
    );

    scope.get(
      '/user/export',
      {
        config: { access: { permission: 'read:users' } },
        schema: {
          ...describe,
          operationId: 'user/export',
          summary: 'Export users',
          response: { 200: lines('A user a line') },
          description:
            'Every user as newline-delimited JSON that the import takes. `password_hash` is masked without the permission read:password_hashes, and for users who may do more than the token.',
        },
      },
      async (request, reply) => {
        const see = may(request.actor);
        reply.header('content-type', NDJSON);
        // What goes nowhere is neither read nor an export.
        if (request.method === 'HEAD') return reply.send(Readable.from([]));
        await request.audit({
          type: 'admin.user.exported',
          subject: request.tenant.id,
          fields: see(SEE_HASHES) ? ['password_hash'] : [],
        });
        return reply.send(Readable.from(exportUsers(request.tenant, see)));
      },
    );
  });
}
