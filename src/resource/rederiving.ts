/** Rows of an earlier release get what is derived from their fields by now, some at a time, while the server answers. */
import type { DataStep } from '../store/migrate.ts';
import type { Filter, ResourceSpec } from './define.ts';
import { collections } from './registry.ts';

const BATCH = 500;

type Row = { _id: string } & Record<string, unknown>;

type Derivation = {
  /** Fields that it is derived from, and where it is kept. */
  reads: readonly string[];
  /** What to set, each with what has to be so still when it is written. */
  changes(row: Row): { set: Record<string, unknown>; where: Filter }[];
};

export const rederiving = (name: string, of: (spec: ResourceSpec) => Derivation | undefined): DataStep => ({
  name,
  whileServing: true,
  async run() {
    const changed: Record<string, number> = {};
    for (const { spec, model } of collections()) {
      const derivation = of(spec as ResourceSpec);
      if (!derivation) continue;
      for (let after = ''; ; ) {
        const rows: Row[] = await model
          .find({ _id: { $gt: after } })
          .select([...derivation.reads])
          .sort({ _id: 1 })
          .limit(BATCH)
          .lean();
        const last = rows.at(-1);
        if (!last) break;
        after = last._id;
        const updates = rows.flatMap((row) =>
          derivation.changes(row).map(({ set, where }) => ({
            updateOne: { filter: { _id: row._id, ...where }, update: { $set: set } },
          })),
        );
        if (updates.length) await model.collection.bulkWrite(updates as never, { ordered: false });
        if (updates.length) changed[spec.name] = (changed[spec.name] ?? 0) + updates.length;
      }
    }
    return Object.keys(changed).length ? { changed } : undefined;
  },
});
