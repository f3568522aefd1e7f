/**
 * Sends what waits in the outbox: takes due rows while there is room, and has each tried. At least once, with growing
 * pauses; any number of workers share the rows. What no channel sends is not looked at.
 */
import { MESSAGES } from '../domain/message/index.ts';
import { takeDue } from '../outbox/lease.ts';
import { type OutboxRow, onRelease } from '../outbox/outbox.ts';
import { deliver, type OnError, type Route } from './attempt.ts';
import type { AnyChannel, Channel } from './channel.ts';
import { slots } from './slots.ts';

export type Worker = {
  /** Polls, and listens for what this process adds, until `stop`. */
  start(): void;
  /** Sends what is due now; done when it is settled. */
  run(): Promise<void>;
  /** Takes nothing any more, and waits for what is on its way. */
  stop(): Promise<void>;
};

const POLL_SECONDS = 1;

/** By the type of a row. A channel is asked for kinds that name it, and for no others. */
const routesOf = (channels: readonly AnyChannel[]): Map<string, Route> =>
  new Map(
    channels.flatMap((channel) =>
      MESSAGES.filter((kind) => kind.channel === channel.name).map((kind): [string, Route] => [
        kind.type,
        { kind, channel: channel as Channel },
      ]),
    ),
  );

export function worker(channels: readonly AnyChannel[], onError: OnError): Worker {
  const routes = routesOf(channels);
  const types = [...routes.keys()];
  const room = slots();
  const flying = new Set<Promise<void>>();
  let stopped = false;

  function launch(row: OutboxRow): void {
    const giveBack = room.take(row);
    const flight = deliver(routes.get(row.type)!, row, onError).finally(() => {
      giveBack();
      flying.delete(flight);
      // What waited for this slot need not wait for the next poll.
      if (limited && !stopped) tick();
    });
    flying.add(flight);
  }

  let pumping: Promise<void> | undefined;
  let again = false;
  /** Whether rows may be due that had no slot. */
  let limited = false;
  /** Takes rows while there are any and room for them. Calls that come meanwhile are one more round. */
  function pump(): Promise<void> {
    again = true;
    pumping ??= (async () => {
      try {
        while (again && !stopped) {
          again = false;
          limited = true;
          while (!stopped && room.areFree()) {
            const busy = room.busy();
            const row = await takeDue(types, busy);
            limited = row !== undefined || busy.accounts.length + busy.to.length > 0;
            if (!row) break;
            launch(row);
          }
        }
      } finally {
        pumping = undefined;
      }
    })();
    return pumping;
  }

  let failing = false;
  /** Says once that the database is away, not each second. */
  function tick(): void {
    pump().then(
      () => {
        failing = false;
      },
      (error) => {
        if (!failing) onError(error, 'the outbox cannot be read');
        failing = true;
      },
    );
  }

  let quiet = () => {};
  return {
    start() {
      const timer = setInterval(tick, POLL_SECONDS * 1000);
      timer.unref();
      const unlisten = onRelease(tick);
      quiet = () => {
        clearInterval(timer);
        unlisten();
      };
    },
    async run() {
      await pump();
      while (flying.size > 0) {
        await Promise.all(flying);
        await pump();
      }
    },
    async stop() {
      stopped = true;
      quiet();
      await pumping?.catch(() => {});
      await Promise.all(flying);
    },
  };
}
