/** A link of the mails that verify, change and invite, as the page behind it knows each: what it does, and what it says. */
import type { Tenant } from '../../kernel/context.ts';
import type { Over, Ticket, TicketType } from './ticket.ts';

/** How it ended, in a word of the contract. */
type Outcome = { status: string; ticket?: Ticket };

/** `session` where the browser is the one that asked for the link, and somebody is logged in there. */
export type Follower = { ip: string | null; session?: { id: string; user: string } };

export type MailedLink = {
  type: TicketType;
  /** Our own page that tells the outcome, where whoever asked for the link named no address. */
  fallback: string;
  /** Does what the link is for, once however often it is called. */
  follow(tenant: Tenant, token: string, from: Follower): Promise<Outcome>;
  /** The word for a link that does not work any more. */
  over(tenant: Tenant, found: Over): Promise<string>;
  /** What the page asks before it acts. */
  question(tenant: Tenant, ticket: Ticket): Promise<Question>;
  /** What else it means that the reader has not asked for it. @returns the word for that; without it the link is void. */
  decline?(tenant: Tenant, ticket: Ticket): Promise<'disowned' | 'declined'>;
};

/** Which sentences the page has, and what they are about. */
export type Question = {
  asks: 'verify' | 'change' | 'leave' | 'join';
  email: string;
  team?: string;
  /** What leads into the account: set by the reader, or by somebody else. */
  password?: boolean;
  other?: boolean;
};
