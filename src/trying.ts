/** What the commands share that send one message by the transport that the settings name: what they say, and how they fail. */
import { ConfigError } from './config.ts';
import { reasonOf } from './delivery/channel.ts';

/** What the settings say, or the end of the command with what is wrong with them. */
export function settingsBy<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) fail(`Not sent:\n${error.faults.map((fault) => `  - ${fault}`).join('\n')}`);
    throw error;
  }
}

/** @param sent what is said once it has left. */
export async function trySending(send: () => Promise<unknown>, sent: string): Promise<void> {
  try {
    await send();
    process.stdout.write(`${sent}\n`);
  } catch (error) {
    const { cause } = error as { cause?: Error };
    const said = cause ? ` (${cause.message.trim()})` : '';
    fail(`Not sent: ${reasonOf(error)?.reason ?? 'it failed'}${said}.`);
  }
}

export function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
