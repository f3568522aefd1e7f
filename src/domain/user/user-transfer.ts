/**
 * Users in and out as newline-delimited JSON. The import streams, reports line by line and may be repeated: a line whose
 * identifier exists already is left alone. Hashes of other systems are kept as they are until the first login.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { offers } from '../../connections/registry.ts';
import { now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { CustomHash, customHash, FirebaseParameters, firebaseHash } from '../../kernel/secret/custom-hash.ts';
import { passwordHash } from '../../kernel/secret/foreign-hash.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { username as usernameKind } from '../../kernel/text/username.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { may } from '../../resource/presentation.ts';
import { missingReference } from '../../resource/references.ts';
import { MASK } from '../../resource/sealing.ts';
import { canonicalTexts } from '../../resource/texts.ts';
import { validatorOf } from '../../resource/validation.ts';
import { byUsers } from '../access/ceiling.ts';
import { connections } from '../connection/connection.ts';
import { append } from '../trail/log.ts';
import { type Credential, credentials } from './credential.ts';
import { linesOf } from './lines.ts';
import { deriveUser, type User, UserWrite, users } from './user.ts';

export const MAX_USERS = 100_000;
const BATCH = 1000;
const LINE_BYTES = 65_536;
const SEE_HASHES = 'read:password_hashes';

/** Auth0 exports `passwordHash`, Firebase `localId`, `emailVerified`, `passwordHash` and `salt`; ours is `password_hash`. */
const ImportLine = Type.Object(
  {
    ...UserWrite.properties,
    password_hash: Type.Optional(Type.String({ maxLength: 4000 })),
    passwordHash: Type.Optional(Type.String({ maxLength: 4000 })),
    custom_password_hash: Type.Optional(CustomHash),
    salt: Type.Optional(Type.String({ maxLength: 500 })),
    emailVerified: Type.Optional(Type.Boolean()),
    displayName: Type.Optional(Type.String({ maxLength: 300 })),
    photoUrl: Type.Optional(Type.String({ maxLength: 2048 })),
    phoneNumber: Type.Optional(Type.String({ maxLength: 40 })),
  },
  // Exports carry ids and counters of the system they come from; those are not ours to keep.
  { additionalProperties: true },
);
type ImportLine = Static<typeof ImportLine>;
const HashConfig = Type.Object({ hash_config: FirebaseParameters }, { additionalProperties: false });

const isLine = validatorOf(ImportLine);
const isConfig = validatorOf(HashConfig);

type Report = { line: number; status: 'created' | 'exists' | 'failed'; id?: string; error?: string };
type Candidate = {
  line: number;
  email?: string;
  username?: string;
  user: Partial<User>;
  hash?: string;
};

const OWN = Object.keys(UserWrite.properties);

function candidateOf(line: number, input: ImportLine, firebase: FirebaseParameters | undefined): Candidate {
  const {
    emailVerified,
    displayName,
    photoUrl,
    phoneNumber,
    passwordHash: camel,
    salt,
    custom_password_hash: custom,
  } = input;
  const fields: Record<string, unknown> = {
    ...(emailVerified !== undefined && { email_verified: emailVerified }),
    ...(displayName && { name: displayName }),
    ...(photoUrl && { picture: photoUrl }),
    ...(phoneNumber && { phone: phoneNumber }),
  };
  for (const name of OWN) {
    const value = (input as Record<string, unknown>)[name];
    if (value !== undefined) fields[name] = value;
  }
  checkMetadata('user_metadata', input.user_metadata);
  checkMetadata('app_metadata', input.app_metadata);
  const email = typeof input.email === 'string' ? demand(emailAddress, input.email, '/email') : undefined;
  const username = typeof input.username === 'string' ? demand(usernameKind, input.username, '/username') : undefined;
  if (!email && !username) throw new Fault('validation', 'one of email and username is required');
  const text = input.password_hash ?? camel;
  const hash = custom
    ? customHash(custom)
    : text === undefined || text === MASK
      ? undefined
      : firebase && salt !== undefined
        ? firebaseHash(firebase, text, salt)
        : passwordHash(text);
  return { line, email, username, user: deriveUser(canonicalTexts(users.spec, fields) as never), hash };
}

/** The next batch's rows: credentials first, so that a crash in between is finished by repeating the call. */
async function writeBatch(tenant: Tenant, connection: string, batch: Candidate[]): Promise<Report[]> {
  const identifiers = (field: 'email' | 'username') => batch.flatMap((candidate) => candidate[field] ?? []);
  const taken = await credentials.all(tenant, {
    connection: { $eq: connection },
    $or: [{ email: { $in: identifiers('email') } }, { username: { $in: identifiers('username') } }],
  });
  const owners = await users.many(
    tenant,
    taken.map(({ user }) => user),
  );
  const byIdentifier = new Map(
    taken.flatMap((row) => [row.email, row.username].filter(Boolean).map((key) => [key!, row])),
  );
  const newCredentials: Partial<Credential>[] = [];
  const newUsers: Partial<User>[] = [];
  const reports: Report[] = [];
  const seen = new Set<string>();
  for (const { line, email, username, user, hash } of batch) {
    const existing = byIdentifier.get(email ?? '') ?? byIdentifier.get(username ?? '');
    if (existing && owners.has(existing.user)) {
      reports.push({ line, status: 'exists', id: existing.user });
      continue;
    }
    const keys = [email && `e ${email}`, username && `u ${username}`].filter((key): key is string => Boolean(key));
    if (keys.some((key) => seen.has(key))) {
      reports.push({ line, status: 'failed', error: 'the identifier stands in an earlier line too' });
      continue;
    }
    for (const key of keys) seen.add(key);
    const id = existing?.user ?? users.mintId();
    if (!existing)
      newCredentials.push({
        connection,
        user: id,
        ...(email && { email }),
        ...(username && { username }),
        ...(hash && { password_hash: hash, password_changed_at: now() }),
      });
    newUsers.push({ ...user, id });
    reports.push({ line, status: 'created', id });
  }
  // Somebody else's insert was faster: the line is theirs to report, and no user is made for it.
  const lost = new Set(
    [...(await credentials.createMany(tenant, newCredentials))].map((index) => newCredentials[index]!.user),
  );
  const made = newUsers.filter(({ id }) => !lost.has(id!));
  // The same import running twice meets its own other half.
  const met = new Set([...(await users.createMany(tenant, made))].map((index) => made[index]!.id));
  return reports.map((report) => {
    if (lost.has(report.id!))
      return { line: report.line, status: 'failed', error: 'the identifier was taken meanwhile' };
    return met.has(report.id) ? { ...report, status: 'exists' } : report;
  });
}

/** What a line's report says of it. @throws what is no fault of the line. */
function reasonOf(error: unknown): string {
  if (error instanceof Fault) return error.message;
  if (error instanceof SyntaxError) return 'the line is not valid JSON';
  throw error;
}

async function* importUsers(
  tenant: Tenant,
  connection: string,
  body: Readable,
  bodyBytes: number,
  counts: Record<Report['status'], number>,
) {
  let firebase: FirebaseParameters | undefined;
  let line = 0;
  let batch: Candidate[] = [];
  let failed: Report[] = [];
  const flush = async () => {
    const reports = [...failed, ...(batch.length ? await writeBatch(tenant, connection, batch) : [])].sort(
      (a, b) => a.line - b.line,
    );
    for (const { status } of reports) counts[status] += 1;
    [batch, failed] = [[], []];
    return reports.map((report) => `${JSON.stringify(report)}\n`).join('');
  };
  let answered = false;
  try {
    for await (const text of linesOf(body, { lineBytes: LINE_BYTES, bodyBytes })) {
      if (line > MAX_USERS) throw new Fault('payload_too_large', `At most ${MAX_USERS} users in one call.`);
      line += 1;
      if (text.trim() === '') continue;
      try {
        if (!text.isWellFormed() || text.includes('\\u0000') || text.includes('�'))
          throw new Fault('validation', 'the line holds characters that are not text');
        const input: unknown = JSON.parse(text);
        if (line === 1 && isConfig(input)) {
          firebase = input.hash_config;
          continue;
        }
        if (!isLine(input)) {
          const [first] = isLine.errors ?? [];
          throw new Fault('validation', `${first?.instancePath || 'the line'} ${first?.message ?? 'is not a user'}`);
        }
        batch.push(candidateOf(line, input, firebase));
      } catch (error) {
        failed.push({ line, status: 'failed', error: reasonOf(error) });
      }
      if (batch.length + failed.length < BATCH) continue;
      yield await flush();
      answered = true;
    }
  } catch (error) {
    // Nobody has been told anything yet: the answer can be the refusal itself, and nothing was written.
    if (!answered || !(error instanceof Fault) || error.code !== 'payload_too_large') throw error;
    failed.push({ line: line + 1, status: 'failed', error: error.message });
  }
  yield await flush();
}

/** @param may which permissions whoever asks has: what opens the account of somebody who has more is masked. */
async function* exportUsers(tenant: Tenant, may: (permission: string) => boolean) {
  let after = '';
  for (;;) {
    const page = await users.model
      .find({ account: { $eq: tenant.id }, ...(after && { _id: { $gt: after } }) })
      .sort({ _id: 1 })
      .limit(BATCH)
      .lean<({ _id: string } & Record<string, unknown>)[]>();
    if (page.length === 0) return;
    after = page.at(-1)!._id;
    const ids = page.map(({ _id }) => _id);
    const owned = await credentials.all(tenant, { user: { $in: ids } });
    const power = await byUsers(tenant, ids);
    const byUser = new Map(owned.map((credential) => [credential.user, credential]));
    yield page
      .map((row) => {
        const fields = Object.fromEntries(
          OWN.flatMap((name) => (row[name] === undefined || row[name] === null ? [] : [[name, row[name]]])),
        );
        const credential = byUser.get(row._id);
        const identifiers = {
          ...(credential?.email && { email: credential.email }),
          ...(credential?.username && { username: credential.username }),
        };
        const shown = may(SEE_HASHES) && [...(power.get(row._id) ?? [])].every(may);
        const secret = credential?.password_hash && { password_hash: shown ? credential.password_hash : MASK };
        return `${JSON.stringify({ id: row._id, ...fields, ...identifiers, ...secret })}\n`;
      })
      .join('');
  }
}

const NDJSON = 'application/x-ndjson';
const EXAMPLE =
  '{"email": "grace@example.org", "name": "Grace Hopper", "email_verified": true}\n{"username": "alan"}\n';
const lines = (description: string) => ({ description, content: { [NDJSON]: { schema: Type.String() } } });

/** @param importBytes what one import may have. */
export function mount(app: FastifyInstance, { importBytes }: { importBytes: number }): void {
  app.register(async (scope) => {
    scope.addContentTypeParser([NDJSON, 'application/jsonl'], (_request, payload, done) => done(null, payload));
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
            '`{"hash_config": {…}}` carries the parameters of a Firebase export. Answers a report a line. Repeating the call changes nothing.',
          consumes: [NDJSON],
          // Read line by line, so it is nothing that a validator could see.
          body: Type.Unsafe({ description: 'A user on each line', example: EXAMPLE }),
          response: { 200: lines('A report a line, and a summary') },
          querystring: Type.Object(
            {
              connection: Type.Optional(
                Type.String({ maxLength: 100, description: 'Database connection; the default one without it' }),
              ),
            },
            { additionalProperties: false },
          ),
        },
      },
      async (request, reply) => {
        if (!(request.body instanceof Readable))
          throw new Fault('unsupported_media_type', 'Send application/x-ndjson.');
        const { tenant } = request;
        const id = (request.query as { connection?: string }).connection ?? tenant.account.default_connection ?? '';
        const connection = await connections.find(tenant, id);
        if (!connection || !offers(connection.connection_type, 'checkPassword')) missingReference('connection', id);
        const counts = { created: 0, exists: 0, failed: 0 };
        const body = request.body;
        const report = async function* () {
          yield* importUsers(tenant, id, body, importBytes, counts);
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
