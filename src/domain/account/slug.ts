/**
 * Host names that accounts get under the base domain: chosen, or made from the account's name; never one that means something to
 * programs or people, and never one that another account had. Tokens, cookies, bookmarks and the apps of a deleted account
 * go by its host: whoever got that next would be taken for it.
 */
import mongoose from 'mongoose';
import Type from 'typebox';
import { now } from '../../kernel/clock.ts';
import { Fault } from '../../kernel/fault.ts';
import { mintToken } from '../../kernel/secret/random.ts';
import { slugify } from '../../kernel/text.ts';

/** By the reason why nobody gets them. */
const RESERVED: Record<string, string> = {
  'programs look there for their settings':
    'wpad autodiscover autoconfig isatap mta-sts openpgpkey imap imaps pop pop3 smtp smtps sip xmpp caldav carddav ldap kerberos kdc time ntp',
  'the servers of a domain are called so':
    'ns dns mx mail email webmail ftp sftp ssh git svn vpn proxy gateway relay db database cache cdn www web localhost localdomain local broadcasthost ip6-localhost',
  'people type a password there':
    'login logon logout signin signout sign-in signup sign-up register password reset sso oauth oauth2 oidc openid saml id identity idp auth auth0 authorize account accounts secure verify mfa 2fa',
  'people believe that the operator speaks there':
    'admin administrator root system sysadmin webmaster hostmaster postmaster abuse security noreply no-reply support help helpdesk contact info billing pay payment payments legal privacy terms status official staff cardea',
  'the operator may want them':
    'api app apps console dashboard portal static assets img images media files download downloads docs doc internal intranet private public metrics health monitor monitoring logs grafana',
};
const NAMES = new Set(Object.values(RESERVED).flatMap((names) => names.split(' ')));
/** `ns1`, `mx2`, `www3`; names that are an encoded form of others (RFC 5890 §2.3.1), or part of an address. */
const PATTERNS = [/^(ns|dns|mx|mail|smtp|imap|pop|www|web|api|cdn)\d+$/, /^..--/, /^\d+$/];

/** People read `log-in` as `login`. */
export const isReserved = (slug: string): boolean =>
  NAMES.has(slug) || NAMES.has(slug.replaceAll('-', '')) || PATTERNS.some((pattern) => pattern.test(slug));

/** A name that an operator chooses: one label of a host name (RFC 1123 §2.1). */
export const Slug = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$',
  description:
    'Its name under the base domain, which stays; without one it is made of `name`. Not one that means something to programs or people, nor one that a deleted account had',
});

/** @throws Fault `validation` */
export function refuseReserved(slug: string): void {
  if (!isReserved(slug)) return;
  const message = 'is reserved: it means something to programs or people';
  throw new Fault('validation', `"slug" ${message}.`, { details: [{ path: '/slug', message }] });
}

/** As for one that another account has by now. */
export const takenSlug = (): Fault =>
  new Fault('conflict', 'An account with this slug already exists, or did.', { details: { fields: ['slug'] } });

/** How many are tried for one account. */
export const CANDIDATES = 20;

/**
 * What an account may be called, the n-th choice from 1: the name, the name with a number, the name with anything. A name
 * of which nothing survives, since it is in another script, becomes `tenant` with anything.
 */
export function slugOf(name: string, n: number): string {
  const base = slugify(name, 40);
  if (base && n === 1) return base;
  if (base && n < 10) return `${base}-${n}`;
  const anything = mintToken(6)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '0');
  return `${base || 'tenant'}-${anything}`;
}

type Retired = { _id: string; at: Date };
const schema = new mongoose.Schema<Retired>(
  { _id: { type: String, required: true }, at: { type: Date, required: true } },
  { collection: 'retired_slugs', strict: 'throw', versionKey: false, autoIndex: false },
);
const retired = mongoose.model<Retired>('RetiredSlug', schema);

/** For good, and before the account lets go of it. Repeating it does nothing. */
export async function retireSlug(slug: string): Promise<void> {
  await retired.updateOne({ _id: { $eq: slug } }, { $setOnInsert: { at: now() } }, { upsert: true });
}

export const isRetired = async (slug: string): Promise<boolean> =>
  (await retired.exists({ _id: { $eq: slug } })) !== null;
