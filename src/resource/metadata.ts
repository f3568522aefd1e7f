/** Free-form JSON that others store with us: what of it is accepted. */
import { Fault } from '../kernel/fault.ts';

/** The database driver takes an object with the second for one of its own types. */
const RESERVED_KEYS = new Set(['__proto__', '_bsontype']);

const canBeStored = (key: string, dots: boolean): boolean =>
  !key.startsWith('$') && (dots || !key.includes('.')) && !key.includes('\0');

/** Whether metadata may have such a key. */
export const canBeKept = (key: string): boolean => canBeStored(key, false) && !RESERVED_KEYS.has(key);

/** Keys that the database can hold, 8 levels, 16 KB of JSON unless said otherwise. @throws Fault `validation` */
export function checkMetadata(
  path: string,
  value: Record<string, unknown> | undefined,
  { dots = false, kilobytes = 16 } = {},
): void {
  if (value === undefined) return;
  const refuse = (at: string, message: string): never => {
    throw new Fault('validation', `${at} ${message}.`, { details: [{ path: at, message }] });
  };
  const walk = (node: unknown, at: string, depth: number): void => {
    // 1e400 is JSON, and would come back as null.
    if (typeof node === 'number' && !Number.isFinite(node)) refuse(at, 'is a number too large to keep');
    if (typeof node !== 'object' || node === null) return;
    if (depth > 8) refuse(at, 'is nested more than 8 levels deep');
    for (const [key, child] of Object.entries(node)) {
      if (!canBeStored(key, dots))
        refuse(`${at}/${key}`, `has a key that may not start with "$"${dots ? '' : ' or contain "."'}`);
      if (RESERVED_KEYS.has(key)) refuse(`${at}/${key}`, 'has a key that is reserved');
      walk(child, `${at}/${key}`, depth + 1);
    }
  };
  walk(value, path, 1);
  if (Buffer.byteLength(JSON.stringify(value)) > kilobytes * 1024) refuse(path, `is larger than ${kilobytes} KB`);
}
