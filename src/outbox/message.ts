/**
 * What a kind of message is: by which channel it leaves, what it says, and how to tell that what it speaks of was
 * written. The kinds are below domain/message; sending them is delivery's.
 */
import Type, { type Static, type TProperties } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Tenant } from '../kernel/context.ts';

/** Whom a message is for, and the row that has to be there, or gone, when it is sent. */
export type Address = { to: string; ref: string };

export type MessageKind<T extends string = string, C extends string = string, D = unknown> = {
  /** Names the kind in stored rows, for ever. */
  type: T;
  channel: C;
  /** Whether what the message speaks of was written. One that was not after a minute never will be, and is dropped. */
  happened(tenant: Tenant, address: Address): Promise<boolean>;
  /** @throws Error for data that does not fit: a mistake of ours, found before anything is written. */
  write(data: D): string;
  /** What a stored row says, without what its kind has no name for any more; or where it does not fit. */
  read(stored: string): { data: D } | { misfit: string };
};

/** A message of a kind, as its channel gets it. */
export type Message<K extends MessageKind = MessageKind> =
  K extends MessageKind<infer T, string, infer D> ? Address & { id: string; type: T; data: D } : never;

/**
 * @param definition `data` are the fields of what the message says. A field that is added to a kind is optional for as
 *   long as there are rows without it.
 */
export function defineMessage<const T extends string, const C extends string, P extends TProperties>(definition: {
  type: T;
  channel: C;
  data: P;
  happened(tenant: Tenant, address: Address): Promise<boolean>;
}): MessageKind<T, C, Static<Type.TObject<P>>> {
  const { data: fields, ...kind } = definition;
  const schema = Compile(Type.Object(fields, { additionalProperties: false }));
  /** Where, and what was expected there; never what was found. */
  const misfitOf = (data: unknown) =>
    schema
      .Errors(data)
      .map(({ instancePath, message }) => `${instancePath || '/'} ${message}`)
      .join(', ');
  return {
    ...kind,
    write(data) {
      const stored = JSON.stringify(data);
      const written: unknown = JSON.parse(stored);
      if (!schema.Check(written)) throw new Error(`a message of the kind ${kind.type} says: ${misfitOf(written)}`);
      return stored;
    },
    read(stored) {
      const data = schema.Clean(parsed(stored));
      return schema.Check(data) ? { data: data as Static<Type.TObject<P>> } : { misfit: misfitOf(data) };
    },
  };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
