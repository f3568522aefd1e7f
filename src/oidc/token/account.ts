/** A user as the engine sees one: who they are, and what there is to tell the client that asks. */
import type { Account, KoaContextWithOIDC } from 'oidc-provider';
import { type User, users } from '../../domain/user/user.ts';
import type { Tenant } from '../../kernel/context.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { isActive, userClaims } from './claims.ts';
import { groupsAtUserinfo, groupsInToken } from './groups.ts';

/** @param recent take the user as they were seconds ago. */
export async function findAccount(
  tenant: Tenant,
  { oidc }: KoaContextWithOIDC,
  id: string,
  recent: boolean,
): Promise<Account | undefined> {
  const user = await (recent ? users.recent(tenant, id) : users.reread(tenant, id));
  if (!isActive(user)) return undefined;
  return {
    accountId: id,
    async claims(use) {
      const groups = use === 'userinfo' ? groupsAtUserinfo : groupsInToken;
      return { ...(await groups(tenant, oidc.client as ClientExtras, id)), ...userClaims(user) };
    },
  };
}

/** For a user who was found, and may have tokens. */
export const asAccount = (user: User): Account => ({ accountId: user.id, claims: async () => userClaims(user) });
