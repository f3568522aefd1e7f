/** The store room on the real embedded engine: what survives kill -9, and what an operator reads when it cannot open. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, test } from 'node:test';
import mongoose, { mongo } from 'mongoose';
import { Fault } from '../../src/kernel/fault.ts';
import { isUnavailable, openStore, type Store } from '../../src/store/connect.ts';
import { startEngine } from '../../src/store/embedded/engine.ts';
import { until } from '../kit/until.ts';

const CONNECT = new URL('../../src/store/connect.ts', import.meta.url).href;
const log = { info() {}, warn() {}, error() {} };

/** Last in, first out: engines end before their folders go. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A fresh data directory, and a folder of its own for temporary files so that leftovers show. */
async function place() {
  const root = await mkdtemp(join(tmpdir(), 'store-test-'));
  const before = process.env.TMPDIR;
  const temporary = join(root, 't');
  await mkdir(temporary);
  process.env.TMPDIR = temporary;
  undo.push(async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await rm(root, { recursive: true, force: true });
  });
  return { dataDir: join(root, 'data'), temporary };
}

async function open(dataDir: string): Promise<Store> {
  const store = await openStore({ dataDir, log });
  undo.push(() => store.close());
  return store;
}

const rows = () => mongoose.connection.collection<{ _id: number }>('rows');

/** MongoDB writes the holder's process id into its lock file. */
async function enginePid(dataDir: string): Promise<number> {
  return Number(await readFile(join(dataDir, 'mongo/mongod.lock'), 'utf8'));
}

/** An orphan that ended stays a zombie until the machine's first process notices: that is not alive. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !(existsSync('/proc') && / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
  } catch {
    return false;
  }
}

/** Another server process on the same data: writes rows without pause and prints each acknowledged number. */
function startWriter(dataDir: string): ChildProcess {
  const script = `
    import { openStore } from '${CONNECT}';
    import mongoose from 'mongoose';
    const log = { info() {}, warn() {}, error() {} };
    const store = await openStore({ dataDir: process.argv[1], log }).catch((error) => {
      console.error(error.message);
      process.exit(1);
    });
    for (let _id = 0; ; _id++) {
      await mongoose.connection.collection('rows').insertOne({ _id });
      process.stdout.write(_id + '\\n');
    }`;
  const writer = spawn(process.execPath, ['--input-type=module', '-e', script, dataDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: new URL('../..', import.meta.url),
  });
  undo.push(() => writer.kill('SIGKILL'));
  return writer;
}

test('the embedded engine keeps its data over a restart, in private directories', async () => {
  const { dataDir } = await place();
  const first = await open(dataDir);
  assert.equal(first.engine, 'embedded');
  assert.deepEqual(first.capabilities, { transactions: false, changeStreams: false, ttl: false });
  assert.equal(mongoose.connection.name, 'cardea');
  await rows().insertOne({ _id: 1 });
  await first.close();
  assert.equal((await stat(dataDir)).mode & 0o777, 0o700);

  const second = await openStore({ dataDir, databaseName: 'cardea', log });
  undo.push(() => second.close());
  assert.deepEqual(await rows().find().toArray(), [{ _id: 1 }]);
  assert.equal(second.healthy(), true);
  await second.ping();
});

test('close leaves no process and no temporary file, and may be repeated', async () => {
  const { dataDir, temporary } = await place();
  const store = await open(dataDir);
  const pid = await enginePid(dataDir);
  assert.equal(isAlive(pid), true);
  assert.equal((await readdir(temporary)).length, 1);
  await Promise.all([store.close(), store.close()]);
  assert.equal(isAlive(pid), false);
  assert.deepEqual(await readdir(temporary), []);
  assert.deepEqual(await readdir(dataDir), ['mongo']);
  await assert.rejects(rows().findOne({}), isUnavailable);
  await assert.rejects(store.ping(), isUnavailable);
});

test('a killed engine comes back by itself, with every acknowledged write', async () => {
  const { dataDir } = await place();
  const store = await open(dataDir);
  for (const round of [1, 2]) {
    const killed = await enginePid(dataDir);
    let acknowledged = 0;
    const writing = (async () => {
      for (; ; acknowledged++) await rows().insertOne({ _id: round * 100_000 + acknowledged });
    })();
    await until('some writes are acknowledged', () => acknowledged > 50);
    process.kill(killed, 'SIGKILL');
    await assert.rejects(writing, isUnavailable);
    await until('the engine is back', () =>
      store.ping().then(
        () => true,
        () => false,
      ),
    );
    assert.notEqual(await enginePid(dataDir), killed);
    const kept = await rows().countDocuments({ _id: { $gte: round * 100_000, $lt: round * 100_000 + acknowledged } });
    assert.equal(kept, acknowledged);
  }
});

test('an engine that goes silent is known to be down, fails fast, and is seen to return', async () => {
  const { dataDir } = await place();
  const store = await open(dataDir);
  const pid = await enginePid(dataDir);
  process.kill(pid, 'SIGSTOP');
  undo.push(() => isAlive(pid) && process.kill(pid, 'SIGCONT'));
  await until('it is known to be down', () => !store.healthy());
  const asked = performance.now();
  await assert.rejects(store.ping(), (error) => error instanceof Fault && error.code === 'unavailable');
  assert.ok(performance.now() - asked < 100);
  process.kill(pid, 'SIGCONT');
  await until('it is healthy again', () => store.healthy());
  await store.ping();
});

test('a killed server leaves no engine behind, and the next start has every acknowledged write', async () => {
  const { dataDir, temporary } = await place();
  const writer = startWriter(dataDir);
  let acknowledged = -1;
  createInterface({ input: writer.stdout! }).on('line', (line) => {
    acknowledged = Number(line);
  });
  await until('some writes are acknowledged', () => acknowledged > 50);
  const orphan = await enginePid(dataDir);
  writer.kill('SIGKILL');
  await once(writer, 'close');
  const store = await open(dataDir);
  await until('the orphan has ended', () => !isAlive(orphan));
  assert.equal(await rows().countDocuments({ _id: { $lte: acknowledged } }), acknowledged + 1);
  assert.equal((await readdir(temporary)).length, 1);
  await store.close();
});

test('when server and engine are killed together, the next start clears what they left', async () => {
  const { dataDir, temporary } = await place();
  const writer = startWriter(dataDir);
  await once(writer.stdout!, 'data');
  const engine = await enginePid(dataDir);
  process.kill(engine, 'SIGSTOP'); // so that it cannot tidy up
  writer.kill('SIGKILL');
  process.kill(engine, 'SIGKILL');
  await once(writer, 'close');
  const left = await readdir(temporary);
  assert.equal(left.length, 1);
  await open(dataDir);
  const now = await readdir(temporary);
  assert.equal(now.length, 1);
  assert.notDeepEqual(now, left);
});

test('a signal to the whole process group ends the server and not its engine first', async () => {
  const { dataDir } = await place();
  const store = await open(dataDir);
  const pid = await enginePid(dataDir);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
  await rows().insertOne({ _id: 1 });
  assert.equal(await enginePid(dataDir), pid);
  await store.close();
});

test('a second process on the same data gets a sentence, and the first goes on', async () => {
  const { dataDir } = await place();
  const store = await open(dataDir);
  const second = startWriter(dataDir);
  let words = '';
  second.stderr!.on('data', (chunk) => {
    words += chunk;
  });
  const [code] = await once(second, 'close');
  assert.equal(code, 1);
  assert.match(words, /^Another process is using the data in .*MONGODB_URL\.\n$/);
  await store.ping();
});

test('with MONGODB_URL the server says what it can do, and the URL may name the database', async () => {
  const { dataDir, temporary } = await place();
  const server = await startEngine(dataDir, log);
  undo.push(() => server.close());
  for (const [path, databaseName, expected] of [
    ['/', undefined, 'cardea'],
    ['/fromUrl', undefined, 'fromUrl'],
    ['/fromUrl', 'fromOption', 'fromOption'],
  ] as const) {
    const store = await openStore({ mongodbUrl: server.uri.replace('/?', `${path}?`), databaseName, dataDir, log });
    assert.equal(store.engine, 'external');
    assert.deepEqual(store.capabilities, { transactions: false, changeStreams: false, ttl: true });
    assert.equal(mongoose.connection.name, expected);
    await store.close();
  }
  assert.equal((await readdir(temporary)).length, 1);
});

test('a MONGODB_URL that does not work gives one sentence, soon, and never the password', async () => {
  const { dataDir } = await place();
  const urls = [
    'mongodb://bob:s3cr3t@127.0.0.1:1/x',
    'mongodb://bob:s3%40cr3t@127.0.0.1:1/x?s3%40cr3t=1',
    'mongodb://bob:s3/cr3t@127.0.0.1:1/x',
    'mongodb://bob:%s3cr3t@127.0.0.1:1/x',
    'http://bob:s3cr3t@127.0.0.1/x',
    's3cr3t',
  ];
  for (const mongodbUrl of urls) {
    const startedAt = performance.now();
    await assert.rejects(openStore({ mongodbUrl, dataDir, log }), (error) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, /MONGODB_URL/);
      assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /cr3t/);
      return true;
    });
    assert.ok(performance.now() - startedAt < 3_000);
  }
});

test('a fault is unavailable when the database is away, not when a request is wrong', () => {
  assert.equal(isUnavailable(new Fault('unavailable')), true);
  assert.equal(isUnavailable(new mongo.MongoNetworkTimeoutError('late')), true);
  assert.equal(isUnavailable(new Error('wrapped', { cause: new mongo.MongoNetworkError('gone') })), true);
  assert.equal(isUnavailable(new mongo.MongoServerError({ code: 1, errorLabels: ['RetryableWriteError'] })), true);
  assert.equal(isUnavailable(new mongo.MongoServerError({ code: 189 })), true);
  assert.equal(isUnavailable(new Fault('not_found')), false);
  assert.equal(isUnavailable(new mongo.MongoServerError({ code: 11000 })), false);
  assert.equal(isUnavailable(new mongo.MongoInvalidArgumentError('no')), false);
  assert.equal(isUnavailable(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' })), true);
  assert.equal(isUnavailable(new Error('other')), false);
  assert.equal(isUnavailable(undefined), false);
});
