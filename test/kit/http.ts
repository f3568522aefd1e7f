/** Requests as anybody may send them, answered whole, and what a refusal looks like on each surface. */
import assert from 'node:assert/strict';
import dns from 'node:dns';

// Browsers resolve *.localhost to this machine; Node does not everywhere (RFC 6761 §6.3).
const systemLookup = dns.lookup;
Object.defineProperty(dns, 'lookup', {
  value: (hostname: string, ...rest: unknown[]) =>
    (systemLookup as (...args: unknown[]) => void)(hostname.endsWith('.localhost') ? 'localhost' : hostname, ...rest),
});

// biome-ignore lint/suspicious/noExplicitAny: answers are inspected field by field, and assertions are the check
export type Json = any;
export type Form = Record<string, string>;
export type Answer<T = Record<string, never>> = { status: number; headers: Headers; body: T; text: string };

/** Any request; redirects are not followed. */
export async function send<T = Json>(
  url: string,
  init: RequestInit & { json?: unknown; form?: Form } = {},
): Promise<Answer<T>> {
  const { json, form, ...rest } = init;
  const headers = new Headers(rest.headers);
  let body = rest.body;
  if (json !== undefined) {
    headers.set('content-type', 'application/json');
    body = JSON.stringify(json);
  }
  if (form) body = new URLSearchParams(form);
  const response = await fetch(url, { redirect: 'manual', ...rest, headers, body });
  const text = await response.text();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  return { status: response.status, headers: response.headers, body: parsed as T, text };
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A call of a JSON API with a token, or without. */
export const call = <T = Json>(
  origin: string,
  token: string | undefined,
  method: string,
  path: string,
  json?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> =>
  send<T>(`${origin}${path}`, {
    method,
    ...(json !== undefined && { json }),
    headers: { ...(token && bearer(token)), ...headers },
  });

/** A refusal of the management API, in its own format. */
export function assertRefused(answer: Answer<unknown>, status: number, code: string, message = /./): void {
  const body = answer.body as { statusCode?: number; code?: string; message?: string } | undefined;
  assert.deepEqual([answer.status, body?.code, body?.statusCode], [status, code, status], answer.text.slice(0, 500));
  assert.match(body?.message ?? '', message);
}

/** Status and code of an OAuth endpoint's refusal, which says what RFC 6749 §5.2 has, which scope it is about, and no more. */
export function refused(answer: { status: number; body: Json; text?: string }): [status: number, error: string] {
  const { error, scope, ...rest } = answer.body ?? {};
  assert.ok(scope === undefined || /_scope$/.test(error), answer.text);
  assert.deepEqual(Object.keys(rest), ['error_description'], answer.text);
  return [answer.status, error];
}
