/**
 * Login identifiers that are taken ahead of the user whom they are for, since they are what only one of several can have:
 * who comes second has made nothing that would have to go again. A claim whose user never came ends here.
 */
import { inSeconds, MINUTE, now } from '../../kernel/clock.ts';
import { asTenant, type Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { mintRandomId } from '../../kernel/id.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { removeRow } from '../../resource/removal.ts';
import { accountById } from '../account/account.ts';
import { isTaken } from '../fields.ts';
import { type Credential, credentials } from './credential.ts';
import { type Arrival, admitUser } from './newcomer.ts';
import { type User, type UserInput, users } from './user.ts';

/** After this long whoever made a claim is not about to write the user any more. */
const ABANDONED_SECONDS = MINUTE;
const BATCH = 200;

type Claim = Pick<Credential, 'id' | 'user' | 'connection' | 'password_hash' | 'password_changed_at'> & {
  email?: string;
  username?: string;
};

/**
 * A user, and what the user logs in with: both or neither, also of several at once, and whatever crashes.
 * @throws Fault `email_taken`, `username_taken` in the connection; `unavailable`; as `createUser`.
 */
export async function admitWithLogin(
  tenant: Tenant,
  input: UserInput,
  login: Omit<Claim, 'id' | 'user'>,
  arrival: Pick<Arrival, 'vouched' | 'browser' | 'locale' | 'app'> = {},
): Promise<User> {
  checkMetadata('/user_metadata', input.user_metadata);
  const claim = { ...login, id: credentials.mintId(), user: mintRandomId('user') };
  await claimLogin(tenant, claim);
  const asker = { credentials: [claim.id], identities: [] };
  const user = await admitUser(tenant, input, { ...arrival, id: claim.user, asker }).catch(async (error: unknown) => {
    await settleClaim(tenant, claim);
    throw error;
  });
  // Whoever looked after it meanwhile has kept it where the user was there by then.
  if ((await keepClaim(tenant, claim.id)) || (await credentials.exists(tenant, { _id: { $eq: claim.id } })))
    return user;
  // It took so long that it was given up for dead.
  await removeRow(users, tenant, user.id);
  throw new Fault('unavailable');
}

async function claimLogin(tenant: Tenant, claim: Claim): Promise<void> {
  for (;;)
    try {
      await credentials.create(tenant, { ...claim, unsettled_at: now() });
      return;
    } catch (error) {
      const field = (['email', 'username'] as const).find((one) => isTaken(error, one));
      if (!field) throw error;
      const abandoned = await credentials.findOne(tenant, {
        connection: { $eq: claim.connection },
        [field]: { $eq: claim[field] },
        unsettled_at: { $lte: inSeconds(-ABANDONED_SECONDS) },
      });
      if (!abandoned || (await settleClaim(tenant, abandoned))) throw new Fault(`${field}_taken`);
    }
}

const unsettled = (id: string) => ({ _id: { $eq: id }, unsettled_at: { $ne: null } });

/** The user is written: the claim is a credential like any. @returns false where it has been given up meanwhile. */
const keepClaim = async (tenant: Tenant, id: string): Promise<boolean> =>
  (await credentials.changeWhere(tenant, unsettled(id), { $unset: { unsettled_at: 1 } })) === 1;

/** Keeps a claim whose user is there and gives up any other. @returns whether it is kept. */
async function settleClaim(tenant: Tenant, { id, user }: Pick<Credential, 'id' | 'user'>): Promise<boolean> {
  if (await users.exists(tenant, { _id: { $eq: user } })) return keepClaim(tenant, id);
  await credentials.removeWhere(tenant, unsettled(id));
  return false;
}

/** What a crash left half made. @returns how many. */
export async function settleAbandonedClaims(): Promise<number> {
  const due = await credentials.model
    .find({ unsettled_at: { $lte: inSeconds(-ABANDONED_SECONDS) } }, { account: 1, user: 1 })
    .limit(BATCH)
    .lean<{ _id: string; account: string; user: string }[]>();
  for (const { _id, account, user } of due) {
    const view = await accountById(account);
    // An account that is going takes its rows along.
    if (view) await settleClaim(asTenant(view, ''), { id: _id, user });
  }
  return due.length;
}
