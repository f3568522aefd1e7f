/**
 * What is kept and has no effect yet, as data: the document says so at the field, the answer in a header, the README in a
 * table. Whoever has it take effect takes the line away.
 */
import type { FastifyReply } from 'fastify';

export type NotYet = {
  /** For the table. */
  what: string;
  /** A sentence in ASCII: what is kept, and what does not happen. */
  says: string;
  /** Without one it is about all of the resource. */
  field?: string;
  /** Which rows have it, as the wire shows them; default those whose field is set. */
  in?(row: Record<string, unknown>): boolean;
};

declare module 'fastify' {
  interface FastifyContextConfig {
    notYet?: readonly NotYet[];
  }
}

export const NOT_YET_HEADER = 'x-not-yet';

const has = ({ field, in: isIn }: NotYet, row: Record<string, unknown>): boolean =>
  isIn ? isIn(row) : field === undefined || (row[field] ?? null) !== null;

/** Tells what of an answer has no effect yet. @param payload a row, or a page of them */
export function tellNotYet(notYet: readonly NotYet[], payload: unknown, reply: FastifyReply): void {
  const { results } = payload as { results?: unknown };
  const rows = (Array.isArray(results) ? results : [payload]) as Record<string, unknown>[];
  const told = notYet.filter((one) => rows.some((row) => has(one, row))).map(({ says }) => says);
  if (told.length) reply.header(NOT_YET_HEADER, told.join(' '));
}
