/** What a channel is: it sends every kind of message that names it, once, and says whom that was about. */
import type { ChannelName, MessageBy } from '../domain/message/index.ts';
import type { LogEntry } from '../domain/trail/log.ts';
import type { Tenant } from '../kernel/context.ts';

export type Channel<C extends ChannelName = ChannelName> = {
  name: C;
  /**
   * Sends once. @returns `skipped` when there is nobody to send to any more.
   * @throws Refusal with words that a tenant's administrator may read; any other error is told as "failed".
   */
  send(tenant: Tenant, message: MessageBy<C>): Promise<'sent' | 'skipped'>;
  /** The audit row's type, whom it is about, and what its data has besides the attempt. */
  audit(message: MessageBy<C>): Pick<LogEntry, 'type' | 'user' | 'client' | 'data'>;
};

export type AnyChannel = { [C in ChannelName]: Channel<C> }[ChannelName];

type Why = {
  cause?: unknown;
  /** No later attempt will end otherwise. */
  final?: boolean;
};

/** Why a message did not arrive, in words without secrets and without anything that was answered. */
export const refusal = (reason: string, { cause, final = false }: Why = {}): Error =>
  Object.assign(new Error(reason, { cause }), { [REASON]: { reason, final } });
const REASON = Symbol('reason');
export const reasonOf = (error: unknown): { reason: string; final: boolean } | undefined =>
  (error as { [REASON]?: { reason: string; final: boolean } } | null)?.[REASON];
