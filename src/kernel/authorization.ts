/** The `Authorization` header: a scheme and the one token that comes with it (RFC 9110 §11.4). What it is worth is not looked at. */

/** @property scheme in lower case: its case means nothing (RFC 9110 §11.1). */
export type Authorization = { scheme: string; token: string };

const CREDENTIALS = /^([!#$%&'*+.^`|~\w-]+) +([\w.~+/=-]+)$/;

/** Nothing where there is no header, and for one that carries something else than a token. */
export function authorizationOf(header: string | undefined): Authorization | undefined {
  const [, scheme, token] = (header !== undefined && CREDENTIALS.exec(header)) || [];
  return scheme && token ? { scheme: scheme.toLowerCase(), token } : undefined;
}

/** RFC 6750 §2.1 */
export function bearerOf(header: string | undefined): string | undefined {
  const { scheme, token } = authorizationOf(header) ?? {};
  return scheme === 'bearer' ? token : undefined;
}

/** RFC 7617, with both parts form-encoded as RFC 6749 §2.3.1 has it. */
export function basicOf(header: string | undefined): { id: string; secret: string } | undefined {
  const { scheme, token } = authorizationOf(header) ?? {};
  if (scheme !== 'basic' || !token) return undefined;
  const bytes = Buffer.from(token, 'base64');
  // The padding is there or left out, and nothing else passes for it (RFC 4648 §3.2).
  const canonical = bytes.toString('base64');
  if (token !== canonical && token !== canonical.replace(/=+$/, '')) return undefined;
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(bytes.toString()) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  try {
    return { id: formDecoded(id), secret: formDecoded(secret) };
  } catch {
    return undefined;
  }
}

const formDecoded = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
