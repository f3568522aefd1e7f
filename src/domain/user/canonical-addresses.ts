/**
 * Email addresses, usernames and phone numbers of rows that an earlier release wrote, in the one spelling that they have now.
 * No two users become one: where the spelling is somebody else's already, and where a text is none of its kind, the row
 * stays as it is, and is named.
 */
import { asTenant } from '../../kernel/context.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import type { TextKind } from '../../kernel/text/kind.ts';
import { phoneNumber } from '../../kernel/text/phone.ts';
import { username } from '../../kernel/text/username.ts';
import type { AnyCollection } from '../../resource/registry.ts';
import { isTaken } from '../fields.ts';
import { tickets } from '../link/ticket.ts';
import { credentials } from './credential.ts';
import { users } from './user.ts';

type Work = {
  rows: AnyCollection;
  field: string;
  kind: TextKind;
  /** What is canonical for certain: the database passes over it, which is nearly everything. */
  plain: RegExp;
  /** One value may be of one row only, whether or not an index says so. */
  single?: true;
};

const EMAIL =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
const USERNAME = /^[!-?[-~]+$/;
const PHONE = /^\+?\d[\d()./-]*( [\d()./-]+)*$/;

const WORK: readonly Work[] = [
  { rows: users, field: 'email', kind: emailAddress, plain: EMAIL, single: true },
  { rows: users, field: 'username', kind: username, plain: USERNAME },
  { rows: users, field: 'phone', kind: phoneNumber, plain: PHONE },
  { rows: credentials, field: 'email', kind: emailAddress, plain: EMAIL },
  { rows: credentials, field: 'username', kind: username, plain: USERNAME },
  { rows: tickets, field: 'email', kind: emailAddress, plain: EMAIL },
];

/** How many rows that stay as they are the log names. */
const NAMED = 500;

type Odd = { _id: string; account: string; email_verified?: boolean } & Record<string, unknown>;

export const canonicalAddresses = {
  name: 'canonical-addresses',
  async run() {
    const changed: Record<string, number> = {};
    const left: Record<string, string> = {};
    let more = 0;
    for (const work of WORK)
      for await (const row of oddRows(work)) {
        if (work.kind.canonical(row[work.field] as string) === row[work.field]) continue;
        const why = await rewrite(work, row);
        const at = `${work.rows.spec.name}.${work.field}`;
        if (why === undefined) changed[at] = (changed[at] ?? 0) + 1;
        else if (Object.keys(left).length < NAMED) left[`${row._id} ${work.field}`] = why;
        else more += 1;
      }
    if (Object.keys(changed).length + Object.keys(left).length === 0) return undefined;
    return { changed, left, ...(more && { left_unnamed: more }) };
  },
};

/** Of several with one address, who proved it comes first: so they are found at logins too (user-of-email.ts). */
async function* oddRows({ rows, field, plain }: Work): AsyncGenerator<Odd> {
  const odd = { [field]: { $gte: '', $not: plain } };
  for (const email_verified of rows === (users as AnyCollection) ? [true, { $ne: true }] : [undefined])
    yield* rows.model
      .find({ ...odd, ...(email_verified !== undefined && { email_verified }) } as never)
      .select({ account: 1, [field]: 1 })
      .sort({ _id: 1 })
      .lean<Odd[]>()
      .cursor() as AsyncIterable<Odd>;
}

/** @returns why it stays as it is; nothing when it was changed. */
async function rewrite({ rows, field, kind, single }: Work, row: Odd): Promise<string | undefined> {
  const from = row[field] as string;
  const to = kind.canonical(from);
  if (to === undefined) return `is not ${kind.what}`;
  const tenant = asTenant({ id: row.account } as never, '');
  if (single && (await rows.exists(tenant, { [field]: { $eq: to } }))) return 'is written otherwise by another row';
  try {
    await rows.updateWhere(tenant, row._id, { [field]: to } as never, { [field]: { $eq: from } });
    return undefined;
  } catch (error) {
    if (isTaken(error, field)) return 'is written otherwise by another row';
    throw error;
  }
}
