/** Reads an import line by line, and reports as it goes. */
import type { Readable } from 'node:stream';
import type { Tenant } from '../../../kernel/context.ts';
import { Fault } from '../../../kernel/fault.ts';
import type { FirebaseParameters } from '../../../kernel/secret/custom-hash.ts';
import { type Report, writeBatch } from './batch.ts';
import { type Candidate, type ConnectionOf, candidateOf, hashConfigOf } from './line.ts';
import { linesOf } from './lines.ts';

export const MAX_USERS = 100_000;
export const BATCH = 1000;
const LINE_BYTES = 65_536;

export type Counts = Record<Report['status'], number>;

/** What a line's report says of it. @throws what is no fault of the line. */
function reasonOf(error: unknown): string {
  if (error instanceof Fault) return error.message;
  if (error instanceof SyntaxError) return 'the line is not valid JSON';
  throw error;
}

/**
 * Of an array over several lines some lines may be users by themselves: it is refused whole, before anything is written.
 * @throws Fault `validation`
 */
function refuseDocument(first: string): void {
  const opens = /^\s*(\[|\{\s*$|\{\s*"[^"]*"\s*:\s*\[\s*$)/.test(first);
  if (opens)
    throw new Fault(
      'validation',
      'The body is one JSON document; send one user a line. `jq -c ".[]"` makes that of an array.',
    );
}

/**
 * The report of each line, some lines at a time.
 * @throws Fault `payload_too_large`, `validation` before anything is written; later ones are reported.
 */
export async function* importUsers(
  tenant: Tenant,
  body: Readable,
  { bodyBytes, connectionOf, counts }: { bodyBytes: number; connectionOf: ConnectionOf; counts: Counts },
): AsyncGenerator<string> {
  let firebase: FirebaseParameters | undefined;
  let [line, begun, answered] = [0, false, false];
  let batch: Candidate[] = [];
  let failed: Report[] = [];
  const flush = async () => {
    const written = batch.length ? await writeBatch(tenant, batch) : [];
    const reports = [...failed, ...written].sort((a, b) => a.line - b.line);
    for (const { status } of reports) counts[status] += 1;
    [batch, failed] = [[], []];
    return reports.map((report) => `${JSON.stringify(report)}\n`).join('');
  };
  try {
    for await (const text of linesOf(body, { lineBytes: LINE_BYTES, bodyBytes })) {
      if (line > MAX_USERS) throw new Fault('payload_too_large', `At most ${MAX_USERS} users in one call.`);
      line += 1;
      if (text?.trim() === '') continue;
      if (!begun) refuseDocument(text ?? '');
      try {
        if (text === undefined) throw new Fault('validation', 'the line is not UTF-8');
        const json: unknown = JSON.parse(text);
        const config = begun ? undefined : hashConfigOf(json);
        begun = true;
        if (config) firebase = config;
        else batch.push(candidateOf(line, json, { connectionOf, firebase }));
      } catch (error) {
        begun = true;
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
