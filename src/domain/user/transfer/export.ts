/** Every user as a line that the import takes: out and in again, nothing is another. */
import type { Tenant } from '../../../kernel/context.ts';
import { MASK } from '../../../resource/sealing.ts';
import { byUsers } from '../../access/ceiling.ts';
import { connections } from '../../connection/connection.ts';
import { type Credential, credentials } from '../credential.ts';
import { users } from '../user.ts';
import { BATCH } from './import.ts';
import { OWN } from './line.ts';

export const SEE_HASHES = 'read:password_hashes';

type UserRow = { _id: string } & Record<string, unknown>;

/** @param may which permissions whoever asks has: what opens the account of somebody who has more is masked. */
export async function* exportUsers(tenant: Tenant, may: (permission: string) => boolean): AsyncGenerator<string> {
  const names = new Map((await connections.all(tenant, {})).map((row) => [row.id, row.connection_name]));
  let after = '';
  for (;;) {
    const page = await users.model
      .find({ account: { $eq: tenant.id }, ...(after && { _id: { $gt: after } }) })
      .sort({ _id: 1 })
      .limit(BATCH)
      .lean<UserRow[]>();
    if (page.length === 0) return;
    after = page.at(-1)!._id;
    const ids = page.map(({ _id }) => _id);
    const owned = Map.groupBy(await credentials.all(tenant, { user: { $in: ids } }), ({ user }) => user);
    const power = await byUsers(tenant, ids);
    const lineOf = (row: UserRow) => {
      const shown = may(SEE_HASHES) && [...(power.get(row._id) ?? [])].every(may);
      const fields = OWN.flatMap((name) => (row[name] == null || row[name] === '' ? [] : [[name, row[name]]]));
      const logins = loginsOf(tenant, row, owned.get(row._id) ?? [], { names, shown });
      return `${JSON.stringify({ id: row._id, ...Object.fromEntries(fields), ...logins })}\n`;
    };
    yield page.map(lineOf).join('');
  }
}

/** In short where there is one, at the default connection, by the addresses of the profile; else the list of them. */
function loginsOf(
  tenant: Tenant,
  user: UserRow,
  owned: readonly Credential[],
  { names, shown }: { names: ReadonlyMap<string, string>; shown: boolean },
): Record<string, unknown> {
  const secret = ({ password_hash }: Credential) =>
    password_hash ? { password_hash: shown ? password_hash : MASK } : {};
  const isUsual = ({ connection, email, username }: Credential) =>
    connection === tenant.account.default_connection &&
    (email ?? null) === (user.email ?? null) &&
    (username ?? null) === (user.username ?? null);
  const [only, ...more] = owned;
  if (only && more.length === 0 && isUsual(only)) return secret(only);
  const ordered = [...owned].sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    credentials: ordered.map((credential) => ({
      connection: names.get(credential.connection),
      email: credential.email,
      username: credential.username,
      ...secret(credential),
    })),
  };
}
