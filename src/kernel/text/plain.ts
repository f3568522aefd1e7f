/** Values as JSON brings them, looked through for what is no text: it would be stored as something else than was sent. */
import { Fault } from '../fault.ts';

/** Deeper than any body of ours, and shallow enough for whoever walks it. */
const MAX_DEPTH = 64;

/** JSON can spell what UTF-8 cannot hold. @throws Fault `validation` naming the place. */
export function checkText(value: unknown, path = '', depth = 0): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed() || value.includes('\0'))
      throw new Fault('validation', `${path || '/'} holds characters that are not text.`, {
        details: [{ path: path || '/', message: 'is not well-formed Unicode text' }],
      });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_DEPTH) throw new Fault('validation', `The request is nested more than ${MAX_DEPTH} levels deep.`);
  for (const [key, child] of Object.entries(value)) {
    checkText(key, path);
    checkText(child, `${path}/${key}`, depth + 1);
  }
}
