/**
 * Faults and races at the database, made where the driver sends a command: nothing of ours is replaced, and nobody who
 * renames a function has to change a test.
 */
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';

type Command = { name: string; collection: string };
type Send = (
  this: unknown,
  database: unknown,
  command: Record<string, unknown>,
  ...rest: unknown[]
) => Promise<unknown>;

const ofMongoose = createRequire(createRequire(import.meta.url).resolve('mongoose'));
const { Connection } = ofMongoose('mongodb/lib/cmap/connection.js') as { Connection: { prototype: { command: Send } } };
const driver = Connection.prototype.command;
if (typeof driver !== 'function') throw new Error('the driver sends its commands by another function now');

/** Commands that are not answered yet; the driver's own, as its heartbeats, name no collection. */
let underWay = 0;

const send: Send = async function (database, command, ...rest) {
  if (typeof Object.values(command)[0] !== 'string') return driver.call(this, database, command, ...rest);
  underWay += 1;
  try {
    return await driver.call(this, database, command, ...rest);
  } finally {
    underWay -= 1;
  }
};
Connection.prototype.command = send;

/** What a request writes after its answer is written: whoever waits for that asks the database nothing more, or is asking. */
export async function settled(): Promise<void> {
  for (let quiet = 0; quiet < 2; ) {
    await setImmediate();
    quiet = underWay === 0 ? quiet + 1 : 0;
  }
}

/** What writes; upserts and bulk writes are one of these too. */
export const WRITES = ['insert', 'update', 'delete', 'findAndModify'];

/** Called before each command is sent. One watch at a time; answers what ends it. */
function watch(before: (command: Command) => void | Promise<void>): () => void {
  Connection.prototype.command = async function (database, command, ...rest) {
    const [name, collection] = Object.entries(command)[0]!;
    if (typeof collection === 'string') await before({ name, collection });
    return send.call(this, database, command, ...rest);
  };
  return () => {
    Connection.prototype.command = send;
  };
}

/**
 * From now on the n-th of such commands, counted from 1, throws before it is sent, and so does every one after it, as if
 * the process had been killed there, until `restore`. With Infinity it only counts.
 * @param counts takes `delete users` and the like; what it does not take passes uncounted.
 */
export function failAt(
  n: number,
  commands: readonly string[] = WRITES,
  counts: (what: string) => boolean = () => true,
) {
  const passed: string[] = [];
  const refused: string[] = [];
  const restore = watch(({ name, collection }) => {
    if (!commands.includes(name)) return;
    const what = `${name} ${collection}`;
    if (!counts(what)) return;
    if (passed.length + 1 < n) return void passed.push(what);
    refused.push(what);
    throw new Error(`killed before ${what}`);
  });
  return { passed, refused, restore };
}

/** Once, before the next such command is sent, does what another request would do in between. */
export function interrupt({ name, collection }: Command, act: () => Promise<unknown>) {
  const state = { times: 0 };
  const restore = watch(async (command) => {
    if (command.name !== name || command.collection !== collection) return;
    restore();
    state.times += 1;
    await act();
  });
  return state;
}
