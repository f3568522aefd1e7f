/** Addresses of our pages as a request has them and as a page gives them: the chosen language stays along the way. */
import type { FastifyRequest } from 'fastify';

/** A value of a query or a form, when it says anything. */
export const text = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

export const queryOf = (request: FastifyRequest): Record<string, unknown> =>
  (request.query ?? {}) as Record<string, unknown>;

/** The language that the visitor chose, as it was asked for. */
export function chosenLanguage(request: FastifyRequest): string | undefined {
  const lang = text(queryOf(request).lang);
  return lang && /^[a-zA-Z-]{2,20}$/.test(lang) ? lang : undefined;
}

/** A path of ours in the language that the visitor chose. */
export function href(request: FastifyRequest, path: string, query: Record<string, string | undefined> = {}): string {
  const given = Object.entries({ ...query, lang: chosenLanguage(request) });
  const told = given.filter((pair): pair is [string, string] => Boolean(pair[1]));
  return told.length ? `${path}?${new URLSearchParams(told)}` : path;
}
