/** How a failure before the engine, or beside it, is answered: what http/ has for it, handed in by app.ts. */
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Writes any thrown value as OAuth's JSON; `challenge` goes with a 401, `codes` name some faults as the surface does. */
export type AnswerError = (
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  more?: { challenge?: string; codes?: Record<string, string> },
) => FastifyReply;
