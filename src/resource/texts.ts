/** Fields with one spelling, as a spec names them: made canonical and judged where rows are written, so that no door is left out. */
import { demand } from '../kernel/text/kind.ts';
import type { ResourceSpec } from './define.ts';

/** @throws Fault `validation` naming the field that is not of its kind. */
export function canonicalTexts<F extends object>({ texts = {} }: Pick<ResourceSpec, 'texts'>, fields: F): F {
  const own = { ...fields } as Record<string, unknown>;
  for (const [field, kind] of Object.entries(texts)) {
    const text = own[field];
    if (typeof text === 'string') own[field] = demand(kind, text, `/${field}`);
  }
  return own as F;
}
