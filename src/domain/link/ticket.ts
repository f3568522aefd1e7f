/**
 * Single-use links that are mailed: issue, redeem, void. What a link does and who may ask for one is the caller's;
 * mailing it is the outbox's. The token is in the link alone, its hash is what is stored.
 */
import Type from 'typebox';
import { DAY, inSeconds, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { hashToken, mintToken } from '../../kernel/secret/random.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { release } from '../../outbox/outbox.ts';
import { defineCollection, type Filter } from '../../resource/collection.ts';
import { OneOf, type Row, Timestamp } from '../../resource/define.ts';
import { isTaken, nullable } from '../fields.ts';

const TYPES = ['verify_email', 'change_email', 'team_invite', 'reset_password'] as const;
export type TicketType = (typeof TYPES)[number];

/** Where the link of each type leads. */
export const TICKET_PATHS: Record<TicketType, string> = {
  verify_email: '/verify-email',
  change_email: '/change-email-verify',
  team_invite: '/invite-verify',
  reset_password: '/reset-verify',
};
/** For how long a link that is over can still be told from one that never was. */
const REMEMBERED_SECONDS = 30 * DAY;

export const tickets = defineCollection({
  name: 'ticket',
  title: 'Ticket',
  permission: 'tickets',
  collection: 'tickets',
  row: Type.Object({
    type: OneOf(TYPES),
    email: Type.String({ description: 'The address that the link is about' }),
    user: Type.Optional(Type.String()),
    team: Type.Optional(Type.String()),
    redirect_uri: Type.Optional(Type.String({ description: 'Where the browser goes afterwards' })),
    browser: Type.Optional(Type.String({ description: 'Hash of the cookie of the browser that asked' })),
    expires_at: Timestamp(),
  }),
  stored: Type.Object({
    token_hash: Type.String(),
    /** Of the tickets that name one slot only the latest is open. */
    slot: nullable(Type.String()),
    consumed_at: nullable(Timestamp()),
    outcome: nullable(OneOf(['used', 'void'])),
    /** What is particular to the type. */
    details: Type.Optional(Type.Unknown()),
    forget_at: Timestamp(),
  }),
  defaults: () => ({}),
  filter: ['email'],
  texts: { email: emailAddress },
  unique: [['token_hash'], ['slot']],
  // First: an invitation that is accepted meanwhile would make a member of what is going.
  references: {
    user: { to: 'user', gone: 'remove', first: true },
    team: { to: 'team', gone: 'remove', first: true },
  },
  indexes: [{ keys: { account: 1, team: 1, _id: -1 } }],
  expires: 'forget_at',
});

export type Ticket = Row<typeof tickets.spec.row, NonNullable<typeof tickets.spec.stored>>;

export type NewTicket = {
  type: TicketType;
  email: string;
  user?: string;
  team?: string;
  redirect_uri?: string;
  browser?: string;
  details?: unknown;
  ttlSeconds: number;
  /** Voids the open ticket of the same slot. */
  slot?: string;
  /** Adds the message with the link to the outbox, about the ticket whose id `ref` is. @returns the message's id. */
  mail: (link: string, ref: string) => Promise<string>;
  /** Of a user who is yet to be written: takes the message's id, which the caller releases. */
  told?: string[];
};

export const isIssued = (tenant: Tenant, id: string): Promise<boolean> => tickets.exists(tenant, { _id: { $eq: id } });

/** Whom a ticket is about, while it is there. */
export const subjectOf = async (tenant: Tenant, id: string): Promise<string | undefined> =>
  (await tickets.find(tenant, id))?.user;

export const isOpen = (): Filter => ({ consumed_at: null, expires_at: { $gt: now() } });

/** Of several calls for one slot at once, all succeed and one ticket stays open. */
export async function issueTicket(tenant: Tenant, ticket: NewTicket): Promise<Ticket> {
  const { ttlSeconds, mail, told, ...fields } = ticket;
  const id = tickets.mintId();
  const token = mintToken();
  const message = await mail(`${tenant.origin}${TICKET_PATHS[ticket.type]}?ticket=${token}`, id);
  const row = {
    ...fields,
    id,
    token_hash: hashToken(token),
    expires_at: inSeconds(ttlSeconds),
    forget_at: inSeconds(ttlSeconds + REMEMBERED_SECONDS),
  };
  for (;;) {
    if (ticket.slot) await voidSlot(tenant, ticket.slot);
    try {
      const issued = await tickets.create(tenant, row);
      if (told) told.push(message);
      else await release(tenant, [message]);
      return issued;
    } catch (error) {
      if (!isTaken(error, 'slot')) throw error;
    }
  }
}

async function voidSlot(tenant: Tenant, slot: string): Promise<void> {
  const holder = await tickets.findOne(tenant, { slot: { $eq: slot } });
  if (holder) await voidTicket(tenant, holder.id);
}

/** @returns false when it was consumed already. */
export async function voidTicket(tenant: Tenant, id: string): Promise<boolean> {
  const patch = { consumed_at: now(), outcome: 'void' as const, slot: null };
  return (await tickets.updateWhere(tenant, id, patch, { consumed_at: null })) !== undefined;
}

/** `used`: somebody was here before, perhaps this moment; `invalid`: unknown, voided or about nothing any more. */
export type Over = { status: 'used' | 'expired'; ticket: Ticket } | { status: 'invalid'; ticket?: undefined };
export type Redeemed<T> = { status: 'done'; ticket: Ticket; result: T } | Over;

const matching = (type: TicketType, token: string): Filter => ({
  token_hash: { $eq: hashToken(token) },
  type: { $eq: type },
});

/** The ticket of a link, or why it does not work; does nothing. */
export async function lookUpTicket(
  tenant: Tenant,
  type: TicketType,
  token: string,
): Promise<{ status: 'open'; ticket: Ticket } | Over> {
  const ticket = await tickets.findOne(tenant, matching(type, token));
  if (!ticket || ticket.outcome === 'void') return { status: 'invalid' };
  if (ticket.consumed_at) return { status: 'used', ticket };
  return { status: ticket.expires_at > now() ? 'open' : 'expired', ticket };
}

/**
 * Consumes a ticket and does what it is for. Of N racers one gets to act; when acting fails, the link works again.
 * `act` says with a Fault `not_found` that what the ticket is about is gone.
 */
export async function redeemTicket<T>(
  tenant: Tenant,
  type: TicketType,
  token: string,
  act: (ticket: Ticket) => Promise<T>,
): Promise<Redeemed<T>> {
  const found = await lookUpTicket(tenant, type, token);
  if (found.status !== 'open') return found;
  const patch = { consumed_at: now(), outcome: 'used' as const, slot: null };
  const ticket = await tickets.updateWhere(tenant, found.ticket.id, patch, isOpen());
  if (!ticket) {
    const latest = await lookUpTicket(tenant, type, token);
    return latest.status === 'open' ? { status: 'expired', ticket: latest.ticket } : latest;
  }
  try {
    return { status: 'done', ticket, result: await act(ticket) };
  } catch (error) {
    await giveBack(tenant, found.ticket);
    if (error instanceof Fault && error.code === 'not_found') return { status: 'invalid' };
    throw error;
  }
}

async function giveBack(tenant: Tenant, { id, slot }: Ticket): Promise<void> {
  const open = { consumed_at: null, outcome: null };
  try {
    await tickets.updateWhere(tenant, id, { ...open, slot: slot ?? null }, { outcome: 'used' });
  } catch (error) {
    // A later ticket has taken the slot meanwhile: this one stays over.
    if (!isTaken(error, 'slot')) throw error;
  }
}
