/**
 * Writes some lines of an import at a time. May be repeated and may be cut anywhere: whoever is there is left alone, and
 * who was half made is finished.
 */
import { createHash } from 'node:crypto';
import { now } from '../../../kernel/clock.ts';
import type { Tenant } from '../../../kernel/context.ts';
import { mintRandomId, timeOfId } from '../../../kernel/id.ts';
import { type Credential, credentials } from '../credential.ts';
import { type User, users } from '../user.ts';
import type { Candidate, LoginOf } from './line.ts';

/** `was`: the id that the line had, where the user has another one now. */
export type Report = {
  line: number;
  status: 'created' | 'exists' | 'failed';
  id?: string;
  was?: string;
  error?: string;
};

const IDENTIFIERS = ['email', 'username'] as const;

/** Names an identifier among those of the account. */
const keysOf = (login: LoginOf): string[] =>
  IDENTIFIERS.flatMap((field) => (login[field] ? [`${login.connection} ${field} ${login[field]}`] : []));

/** Of a user whose id is taken in another account: the same whenever the line comes again, and as old as it was. */
const otherId = ({ id: account }: Tenant, id: string): string =>
  `${id.slice(0, -16)}${createHash('sha256').update(`${account} ${id}`).digest('hex').slice(0, 16)}`;

/** Credentials first: nobody is there who cannot log in, and repeating the call finishes what a crash cut short. */
export async function writeBatch(tenant: Tenant, batch: readonly Candidate[]): Promise<Report[]> {
  const known = await lookUp(tenant, batch);
  const newCredentials: (Partial<Credential> & { id: string; user: string })[] = [];
  const newUsers: (Partial<User> & { id: string })[] = [];
  const reports: Report[] = [];
  const seen = new Set<string>();
  for (const candidate of batch) {
    const { line, logins, user } = candidate;
    const keys = [...logins.flatMap(keysOf), ...(candidate.id ? [candidate.id] : [])];
    const owner = logins.flatMap(keysOf).flatMap((key) => known.owners.get(key) ?? []);
    const id = owner[0]?.user ?? known.idFor(candidate.id);
    const asWas = candidate.was ?? (candidate.id !== id ? candidate.id : undefined);
    const about = { line, id, ...(asWas !== undefined && { was: asWas }) };
    const present = owner.find(({ there }) => there)?.user ?? (known.users.has(id) ? id : undefined);
    if (present) reports.push({ ...about, status: 'exists', id: present });
    else if (keys.some((key) => seen.has(key)))
      reports.push({ line, status: 'failed', error: 'the identifier stands in an earlier line too' });
    else {
      for (const login of logins)
        if (!keysOf(login).some((key) => known.owners.has(key))) newCredentials.push(credentialOf(login, id));
      const kept = candidate.id !== undefined && { createdAt: timeOfId(id) };
      newUsers.push({ ...user, ...kept, id });
      reports.push({ ...about, status: 'created' });
      for (const key of keys) seen.add(key);
    }
  }
  return settle(reports, await write(tenant, newCredentials, newUsers));
}

const credentialOf = ({ password_hash, ...login }: LoginOf, user: string) => ({
  ...login,
  id: credentials.mintId(),
  user,
  ...(password_hash && { password_hash, password_changed_at: now() }),
});

/** Who has the identifiers and ids of the lines already. */
async function lookUp(tenant: Tenant, batch: readonly Candidate[]) {
  const logins = batch.flatMap((candidate) => candidate.logins);
  const wanted = [...new Set(logins.map(({ connection }) => connection))].flatMap((connection) =>
    IDENTIFIERS.flatMap((field) => {
      const values = logins.flatMap((login) => (login.connection === connection && login[field]) || []);
      return values.length ? [{ connection: { $eq: connection }, [field]: { $in: values } }] : [];
    }),
  );
  const taken = wanted.length ? await credentials.all(tenant, { $or: wanted }) : [];
  const asked = batch.flatMap(({ id }) => id ?? []);
  const ids = [...asked, ...asked.map((id) => otherId(tenant, id)), ...taken.map(({ user }) => user)];
  // Ids are the whole installation's: another account's user has it, or nobody.
  const rows = await users.model.find({ _id: { $in: ids } }, { account: 1 }).lean<{ _id: string; account: string }[]>();
  const holders = new Map(rows.map(({ _id, account }) => [_id, account]));
  const own = new Set(rows.filter(({ account }) => account === tenant.id).map(({ _id }) => _id));
  return {
    users: own,
    owners: new Map(
      taken.flatMap((row) =>
        keysOf(row as LoginOf).map((key) => [key, { user: row.user, there: own.has(row.user) }] as const),
      ),
    ),
    idFor(id: string | undefined): string {
      // Not one that others can know beforehand, and take.
      if (id === undefined) return mintRandomId('user');
      return (holders.get(id) ?? tenant.id) === tenant.id ? id : otherId(tenant, id);
    },
  };
}

type Written = { lost: Set<string>; met: Set<string> };

async function write(
  tenant: Tenant,
  newCredentials: readonly (Partial<Credential> & { id: string; user: string })[],
  newUsers: readonly (Partial<User> & { id: string })[],
): Promise<Written> {
  // Somebody else's insert was faster: the line is theirs to report, and no user is made for it.
  const refused = await credentials.createMany(tenant, newCredentials);
  const lost = new Set([...refused].map((index) => newCredentials[index]!.user));
  const vain = newCredentials.filter(({ user }, index) => lost.has(user) && !refused.has(index)).map(({ id }) => id);
  if (vain.length) await credentials.removeWhere(tenant, { _id: { $in: vain } });
  const made = newUsers.filter(({ id }) => !lost.has(id));
  // The same import running twice meets its own other half.
  return { lost, met: new Set([...(await users.createMany(tenant, made))].map((index) => made[index]!.id)) };
}

const settle = (reports: Report[], { lost, met }: Written): Report[] =>
  reports.map((report) => {
    if (report.status !== 'created') return report;
    if (lost.has(report.id!))
      return { line: report.line, status: 'failed', error: 'the identifier was taken meanwhile' };
    return met.has(report.id!) ? { ...report, status: 'exists' } : report;
  });
