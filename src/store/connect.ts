/**
 * Opens the one database connection (mongoose's default, where every model lives) and says what its engine can do.
 * Knows both engines: a MongoDB server, or the embedded default that embedded/ runs.
 */
import mongoose, { mongo } from 'mongoose';
import { Fault } from '../kernel/fault.ts';
import { type Log, startEngine } from './embedded/engine.ts';

export type Capabilities = { transactions: boolean; changeStreams: boolean; ttl: boolean };

export type Store = {
  readonly engine: 'embedded' | 'external';
  readonly capabilities: Capabilities;
  /** False once the topology is known to be down, which takes a moment: elections and restarts are waited out. */
  healthy(): boolean;
  /** @throws Fault `unavailable` when the database does not answer within a few seconds; at once while not healthy. */
  ping(): Promise<void>;
  /** Repeating it does nothing. */
  close(): Promise<void>;
};

export type StoreOptions = {
  /** Without it the embedded engine runs on `dataDir`. */
  mongodbUrl?: string;
  dataDir: string;
  /** Beats the one in the URL's path; the default is `cardea`. */
  databaseName?: string;
  log: Log;
  /** Says to people why they are waiting. */
  tell?(sentence: string): void;
};

/** A database that went silent costs a request at most these, not the driver's half minute. */
const TIMEOUTS = {
  serverSelectionTimeoutMS: 1_500,
  connectTimeoutMS: 1_500,
  socketTimeoutMS: 2_500,
  waitQueueTimeoutMS: 2_000,
  heartbeatFrequencyMS: 1_000,
} as const;

/** What the driver takes for a limit; none is 0. */
const AT_ONCE_MS = 1;

/**
 * @throws Error with one sentence for the operator, without the URL's password, when there is no database to use.
 */
export async function openStore({ mongodbUrl, dataDir, databaseName, log, tell }: StoreOptions): Promise<Store> {
  const embedded = mongodbUrl ? undefined : await startEngine(dataDir, log, tell);
  const engine = embedded ? 'embedded' : 'external';
  const url = mongodbUrl || embedded!.uri;
  try {
    const capabilities = embedded ? { transactions: false, changeStreams: false, ttl: false } : await discover(url);
    mongoose.set('strictQuery', true);
    await mongoose.connect(url, {
      ...TIMEOUTS,
      dbName: databaseName ?? (databaseInUrl(url) ? undefined : 'cardea'),
      bufferCommands: false,
      autoIndex: false,
      autoCreate: false,
      // What a user was told is kept must survive kill -9 and a failover. Not majority everywhere: a server without
      // replicas answers that before its journal is on disk, and one kill -9 in five lost acknowledged writes.
      writeConcern: { w: capabilities.transactions ? 'majority' : 1, journal: true },
    });
    const client = mongoose.connection.getClient();
    const isDown = watchTopology(client, log);
    log.info({ engine, ...capabilities }, 'the database is open');
    let closed: Promise<void> | undefined;
    return {
      engine,
      capabilities,
      healthy: () => !isDown(),
      async ping() {
        if (isDown()) throw new Fault('unavailable');
        await client
          .db('admin')
          .command({ ping: 1 })
          .catch((cause) => {
            throw new Fault('unavailable', undefined, { cause });
          });
      },
      close: () => (closed ??= mongoose.connection.close().finally(() => embedded?.close())),
    };
  } catch (error) {
    await embedded?.close();
    throw mongodbUrl ? new Error(explain(error, mongodbUrl)) : error;
  }
}

/** The driver errors that mean "not now" rather than "not so": to be answered with 503. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof Fault) return error.code === 'unavailable';
  if (error instanceof mongo.MongoServerError) {
    // Several writes at once that could not be sent fail as one that the server refused, around what really happened.
    return (
      AWAY.has(Number(error.code)) ||
      LABELS.some((label) => error.hasErrorLabel(label)) ||
      isUnavailable(error.errorResponse)
    );
  }
  if (UNAVAILABLE.some((kind) => error instanceof kind)) return true;
  // What is left of this family (PoolClosedError, WaitQueueTimeoutError, MongoOperationTimeoutError) is not all exported.
  if (error instanceof mongo.MongoDriverError) return !MISUSE.some((kind) => error instanceof kind);
  // Mongoose refuses a command without a connection with its bare base class.
  if (error instanceof Error && error.constructor === mongoose.Error) return mongoose.connection.readyState !== 1;
  // The driver passes on a write to a socket that just closed as Node threw it.
  if (error instanceof Error && 'code' in error && CLOSED.has(error.code)) return true;
  return error instanceof Error && error.cause !== undefined && isUnavailable(error.cause);
}

const CLOSED = new Set<unknown>(['EPIPE', 'ERR_STREAM_DESTROYED']);
const LABELS = ['RetryableWriteError', 'RetryableReadError', 'TransientTransactionError'];
/** Server codes: unreachable (6, 7, 89, 9001), shutting down, no primary here, write concern not met (64, 100). */
const AWAY = new Set([6, 7, 64, 89, 91, 100, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);
const UNAVAILABLE = [
  mongo.MongoNetworkError,
  mongo.MongoSystemError, // MongoServerSelectionError is its subclass
  mongo.MongoNotConnectedError,
  mongo.MongoTopologyClosedError,
  mongo.MongoServerClosedError,
  mongo.MongoClientClosedError,
  mongo.MongoStalePrimaryError,
  mongoose.Error.MongooseServerSelectionError,
];
const MISUSE = [mongo.MongoAPIError, mongo.MongoRuntimeError, mongo.MongoParseError];

/** Read by the driver at every command. */
type Changeable = { s: { options: { serverSelectionTimeoutMS: number } } };

/**
 * Elections and restarts are waited out once. When no server has come back by then, whoever asks hears it at once and does
 * not wait again, and so does the second question of one request.
 * @returns whether no server has taken writes for longer than one server selection would wait.
 */
function watchTopology(client: mongo.MongoClient, log: Log): () => boolean {
  const { options } = (client as unknown as Changeable).s;
  let lostAt: number | undefined;
  let failing: NodeJS.Timeout | undefined;
  client.on('topologyDescriptionChanged', ({ newDescription }) => {
    const up = [...newDescription.servers.values()].some((server) => server.isWritable);
    if (up === (lostAt === undefined)) return;
    lostAt = up ? undefined : performance.now();
    clearTimeout(failing);
    options.serverSelectionTimeoutMS = TIMEOUTS.serverSelectionTimeoutMS;
    if (up) return log.info({}, 'the database answers again');
    failing = setTimeout(() => {
      options.serverSelectionTimeoutMS = AT_ONCE_MS;
    }, TIMEOUTS.serverSelectionTimeoutMS).unref();
    log.warn(
      {},
      'the database does not answer: tokens of machines, keys and discovery are served from memory for minutes',
    );
  });
  return () => lostAt !== undefined && performance.now() - lostAt > TIMEOUTS.serverSelectionTimeoutMS;
}

/** On a connection of its own: what it learns decides how the lasting one writes. */
async function discover(url: string): Promise<Capabilities> {
  const client = new mongo.MongoClient(url, TIMEOUTS);
  try {
    const hello = await client.db('admin').command({ hello: 1 });
    const replicated = typeof hello.setName === 'string' || hello.msg === 'isdbgrid';
    return { transactions: replicated, changeStreams: replicated, ttl: true };
  } finally {
    await client.close();
  }
}

function databaseInUrl(url: string): boolean {
  return /^mongodb(\+srv)?:\/\/[^/?]*\/[^?]/.test(url);
}

/** Scheme, user, password, hosts, path, options. Looser URLs could put the password where `explain` does not look. */
const URL_SHAPE = /^mongodb(?:\+srv)?:\/\/(?:[^:@/?]+(?::([^:@/?]*))?@)?[^@/?]+(?:\/[^/@?]*)?(?:\?.*)?$/;

function explain(error: unknown, url: string): string {
  const shape = /%(?![0-9a-f]{2})/i.test(url) ? null : URL_SHAPE.exec(url);
  if (!shape || !(error instanceof Error)) {
    return 'MONGODB_URL is not a MongoDB connection string: it reads mongodb://user:password@host:27017/cardea, with special characters in user and password percent-encoded.';
  }
  const secrets = shape[1] ? [shape[1], decodeURIComponent(shape[1])] : [];
  const message = secrets.reduce((text, secret) => text.replaceAll(secret, '***'), error.message);
  return `The MongoDB server at MONGODB_URL cannot be used: ${message}`;
}
