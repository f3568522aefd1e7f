/** A test reporter: when all is done, the files and the tests that took longest, in seconds. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

const SHOWN = 10;

const table = (title: string, times: Map<string, number>): string =>
  [...times]
    .sort(([, one], [, other]) => other - one)
    .slice(0, SHOWN)
    .reduce((text, [name, ms]) => `${text}${(ms / 1000).toFixed(1).padStart(7)}  ${name}\n`, `slowest ${title}:\n`);

export default async function* slowest(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Map<string, number>();
  const tests = new Map<string, number>();
  for await (const { type, data } of events) {
    if (type === 'test:summary' && data.file) files.set(relative('.', data.file), data.duration_ms);
    if ((type === 'test:pass' || type === 'test:fail') && data.details.type !== 'suite' && data.file)
      tests.set(`${relative('.', data.file)}: ${data.name}`, data.details.duration_ms);
  }
  if (files.size > SHOWN) yield `\n${table('files', files)}\n${table('tests', tests)}`;
}
