/**
 * A kind of message that leaves as a mail: a kind like every other, with what all mails may say besides, the template that
 * words it, and samples of what it says for previews and tests.
 */
import Type, { type Static, type TObject, type TProperties } from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { type Address, defineMessage, type MessageKind } from '../../outbox/message.ts';

/** What every mail may say besides; all of it may be missing in rows of before. */
const COMMON = {
  /** The language that it was asked for in; without it the user's own, then the tenant's first. */
  locale: Type.Optional(Type.String()),
  /** Seconds for which the link or the code works. */
  expires_in: Type.Optional(Type.Integer()),
  /** Id of the user that it is about. */
  user: Type.Optional(Type.String()),
};

export type MailKind<T extends string = string, D = unknown> = MessageKind<T, 'mail', D> & {
  /** Name of its template in views/mail. */
  template: string;
  /** What mails of this kind say, by a name for each case. */
  samples: Readonly<Record<string, object>>;
  /** Whether its reader is still to get it, where that may have changed. */
  wanted?(tenant: Tenant, to: string, data: D): Promise<boolean>;
};

/** @param definition as of `defineMessage`; `template` is the type unless several kinds share one. */
export function defineMail<const T extends string, P extends TProperties>(definition: {
  type: T;
  template?: string;
  data: P;
  samples: Record<string, Static<TObject<P & typeof COMMON>>>;
  happened(tenant: Tenant, address: Address): Promise<boolean>;
  wanted?(tenant: Tenant, to: string, data: Static<TObject<P & typeof COMMON>>): Promise<boolean>;
}): MailKind<T, Static<TObject<P & typeof COMMON>>> {
  const { template = definition.type, samples, wanted, ...kind } = definition;
  const message = defineMessage({ ...kind, channel: 'mail', data: { ...COMMON, ...kind.data } });
  return {
    ...(message as unknown as MessageKind<T, 'mail', Static<TObject<P & typeof COMMON>>>),
    template,
    samples,
    wanted,
  };
}
