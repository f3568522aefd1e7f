/**
 * Conditions of partial indexes that the planner can prove from a plain comparison with a value. `{ $type: 'string' }` is
 * none: such an index serves only queries that name the type themselves, and all others read the whole collection.
 */

type Partial = { partialFilterExpression: Record<string, object> };

/** Rows where each of these fields is a text; null and absent ones stay out, also of uniqueness. */
export const whereText = (...fields: string[]): Partial => ({
  partialFilterExpression: Object.fromEntries(fields.map((field) => [field, { $gte: '' }])),
});

/** Rows that have the field, for ranges over it. */
export const wherePresent = (field: string): Partial => ({
  partialFilterExpression: { [field]: { $exists: true } },
});
