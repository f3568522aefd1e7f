/**
 * What a resource is made of, as data. collection.ts stores it, references.ts and removal.ts keep it in one piece with the
 * others, routes.ts serves it, migrate.ts indexes it; nothing in this room knows any resource by name.
 */
import Type, { type Static, type TObject, type TSchema } from 'typebox';
import type { Tenant } from '../kernel/context.ts';
import type { TextKind } from '../kernel/text/kind.ts';
import type { NotYet } from './not-yet.ts';

/** A point in time: a Date inside, ISO 8601 on the wire. */
export const Timestamp = (description?: string) =>
  Type.Unsafe<Date>({ type: 'string', format: 'date-time', ...(description && { description }) });

/** A string out of a fixed list. */
export const OneOf = <const T extends string>(values: readonly T[], description?: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...(description && { description }) });

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** An object with any names and values of one shape. Said as `additionalProperties`, which no name slips past. */
export const MapOf = <T>(values: TSchema | true, description?: string) =>
  Type.Unsafe<Record<string, T>>({
    type: 'object',
    additionalProperties: values,
    ...(description && { description }),
  });

export const Metadata = MapOf<unknown>(
  true,
  'Free-form JSON, 16 KB at most; keys may not start with "$" or contain "."',
);

/** The fields that every row has. */
export type Base = {
  id: string;
  account: string;
  metadata: Record<string, unknown>;
  createdAt: Date;
  updatedAt: Date;
};

/** A resource without stored-only fields. */
export type Nothing = TObject<Record<never, never>>;

export type Row<R extends TObject, S extends TObject = Nothing> = Static<R> & Static<S> & Base;

/** A condition of the database's. */
export type Filter = Record<string, unknown>;

/** A row that is referred to, of whatever resource. */
export type Referred = { id: string } & Record<string, unknown>;

/** What a field refers to, and what that means. */
export type Reference = {
  /** Name of the resource, not the resource: they refer to each other in circles, their files do not. */
  to: string;
  /**
   * What becomes of the row when the referred one goes: it goes too; it forgets the reference (a list loses the entry, or
   * the object with it); it keeps the other from going; or it stays as it is, as a trail does.
   */
  gone: 'remove' | 'forget' | 'refuse' | 'keep';
  /** Goes before the rows of other references: what could make more of them. */
  first?: true;
  /** Can be inlined by `expand`. */
  expand?: true;
  /** How the field holds the referred row, where that is not by its id: a value, or a range of them. */
  match?(target: Referred): unknown;
  /** What finds the referred row by the field's value, where that is not its id. */
  find?(value: string, tenant: Tenant): Filter;
  /** A last word on what may be referred to. @param within the object that holds the reference. @throws Fault */
  accept?(target: Referred, within: object): void;
  /** With `refuse`: the sentence that says what to do first. */
  why?: string;
  /** With `refuse`: what is done about a reference that was made while the row was going. Does nothing where there is none. */
  lost?(tenant: Tenant, gone: Referred): Promise<void>;
};

/** The permissions of a resource, as the catalogue of the management API lists them. */
export type Permissions = {
  /** What is read or created, after "Read …": `team members`. */
  of: string;
  /** Default: all four. */
  verbs?: readonly ('read' | 'create' | 'update' | 'delete')[];
  /** Those that are no verb on a row: whose secrets may be seen. */
  more?: Record<string, string>;
};

/** An index that neither lists, nor uniqueness, references or expiry ask for. Not led by the account unless it says so. */
export type Index = { keys: Record<string, 1 | -1>; unique?: true; partialFilterExpression?: Filter };

export type Events<R> = {
  /** All that `of` may answer. */
  names: readonly string[];
  /** What a write makes: without `before` the row is new, without `after` it goes. An unchanged row makes nothing. */
  of(before: R | undefined, after: R | undefined): readonly string[];
};

export type ResourceSpec<R extends TObject = TObject, S extends TObject = TObject> = {
  /** Wire path, tag and id prefix: `role` serves `/role` with ids `role_…`. */
  name: string;
  /** Prefix of the ids where it is not the name. */
  idPrefix?: string;
  /** As prose and schema name: `Role`. */
  title: string;
  /** How the API's documentation introduces it; one that is not served has no tag. */
  tag?: { title: string; description: string };
  /** Plural noun of its permissions: `roles` makes `read:roles`. */
  permission: string;
  /** Which of them there are; none where administrators cannot reach the rows. */
  permissions?: Permissions;
  collection: string;
  /** Of which rows: of each account's own, or of the installation's. */
  scope?: 'account' | 'root';
  /** The wire shape without the base fields; all of it is stored. */
  row: R;
  /** Stored, never on the wire. */
  stored?: S;
  /** Wire fields that are sealed at rest, with the permission that shows them; others see a mask. */
  sealed?: Record<string, string>;
  /** Permissions that the sealed fields of a row give to whoever sees them: who lacks one of these sees the mask. */
  secretsGive?(tenant: Tenant, row: Row<R, S>): Promise<Iterable<string>>;
  defaults: () => Partial<Static<NoInfer<R>>>;
  /** Fields that FaableQL may compare; each is indexed under the account. */
  filter: readonly string[];
  /** Of those the texts that are times (ISO 8601), and compared as such. */
  times?: readonly string[];
  /** Fields of free-form JSON, by whose members FaableQL finds rows: `metadata.plan:pro`. */
  freeForm?: readonly string[];
  /** Fields whose words `q` finds. */
  search?: readonly string[];
  /** Field groups that are unique within the account; a row without one of them is not compared. */
  unique?: readonly (readonly string[])[];
  /** By field, a dot between the steps of a path: `permissions.api` is in each object of a list. */
  references?: Record<string, Reference>;
  indexes?: readonly Index[];
  /** The field that says when a row may be deleted by whoever sweeps. Readers check it themselves. */
  expires?: string;
  /** Set-up that every request may ask for: held for longer, since each instance hears of changes (store/changes.ts). */
  watched?: true;
  /** Audit rows can be filtered by its id. */
  traced?: true;
  /** Fields with one spelling: whoever writes the row, they are made canonical and judged; lists compare them so. */
  texts?: Record<string, TextKind>;
  /** What the wire shows besides the row's own fields, e.g. a secret that sits inside one of them. */
  wire?: (row: Row<R, S>, may: (permission: string) => boolean) => Record<string, unknown>;
  /** What is told of its rows to those who subscribed (announcing.ts). */
  events?: Events<Row<R, S>>;
  /** What of it is kept and has no effect. */
  notYet?: readonly NotYet[];
  /** The last word before a row is removed, when nothing has gone yet. @throws Fault `protected` */
  protect?(tenant: Tenant, row: Row<R, S>): Promise<void> | void;
  /** Ends what goes with a row and is no row: after those that refer to it have gone. Repeating it does nothing. */
  end?(tenant: Tenant, row: Row<R, S>): Promise<void>;
};

/** Fields that `expand` inlines, with the resource that each names. */
export const expandable = ({ references = {} }: Pick<ResourceSpec, 'references'>): Record<string, string> =>
  Object.fromEntries(Object.entries(references).flatMap(([field, { to, expand }]) => (expand ? [[field, to]] : [])));
