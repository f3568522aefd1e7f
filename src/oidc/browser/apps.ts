/** Apps outside an authorization flow: what one that runs on a device asks for, and those that a user has let in. */
import {
  type Allowed,
  addConsent,
  allowedBy,
  type Consent,
  consents,
  consentsOf,
} from '../../domain/access/consent.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { scopeWords } from '../../kernel/text.ts';
import { type ClientExtras, homeOf, isUnverified } from '../client/client-metadata.ts';
import type { ProviderFor } from '../engine/providers.ts';
import { describeAllowed, type Permissions } from '../request/permissions.ts';
import { isManagement, ownScopes, skipsConsent } from '../request/resource-server.ts';
import { isStandardScope } from '../token/claims.ts';

/** A client as people are told of it. */
type App = { id: string; name: string; logo?: string; uri?: string; firstParty: boolean; unverified: boolean };

export type GrantedApp = {
  /** Of the consent. */
  id: string;
  /** Absent when the client is gone. */
  app?: App;
  permissions: Permissions;
  destinations: readonly string[];
  since: Date;
  lastLogin?: Date;
};

/** What a device asked for, as its request had it. */
type Asking = { client: string; scope?: string; resource?: string };

export function apps(providerFor: ProviderFor) {
  async function find(tenant: Tenant, id: string): Promise<App | undefined> {
    const client = await (await providerFor(tenant)).Client.find(id);
    if (!client) return undefined;
    return {
      id,
      name: client.clientName ?? id,
      logo: client.logoUri,
      uri: homeOf(client),
      firstParty: (client as unknown as ClientExtras).first_party ?? false,
      unverified: isUnverified(client),
    };
  }

  async function granted(tenant: Tenant, row: Consent): Promise<GrantedApp> {
    return {
      id: row.id,
      app: await find(tenant, row.client),
      permissions: await describeAllowed(tenant, allowedBy(row)),
      destinations: row.destinations,
      since: row.createdAt,
      lastLogin: row.last_login_at,
    };
  }

  return {
    /** `permissions` only where the user has to be asked. @throws Fault `unknown_device_code` when the app is gone. */
    async asked(tenant: Tenant, asking: Asking): Promise<{ app: App; permissions?: Permissions }> {
      const app = await find(tenant, asking.client);
      if (!app) throw new Fault('unknown_device_code');
      const due = await isDue(tenant, app, asking);
      return { app, permissions: due ? await describeAllowed(tenant, await allowedOf(tenant, asking)) : undefined };
    },

    /** Keeps the user's "yes" to a device, where somebody had to be asked. */
    async remember(tenant: Tenant, user: string, asking: Asking): Promise<void> {
      const app = await find(tenant, asking.client);
      if (app && (await isDue(tenant, app, asking)))
        await addConsent(tenant, { user, client: app.id }, await allowedOf(tenant, asking));
    },

    /** What the user has let in, newest first. */
    async letInBy(tenant: Tenant, user: string, cursor?: string): Promise<{ apps: GrantedApp[]; next?: string }> {
      const { results, next } = await consentsOf(tenant, user, { cursor });
      return { apps: await Promise.all(results.map((row) => granted(tenant, row))), next: next ?? undefined };
    },

    /** One of the user's own, by the id of the consent. */
    async oneLetInBy(tenant: Tenant, user: string, id: string): Promise<GrantedApp | undefined> {
      const row = await consents.find(tenant, id);
      return row?.user === user ? granted(tenant, row) : undefined;
    },
  };
}

/** A code may be somebody else's: what opens the account's management is named whoever asks. */
async function isDue(tenant: Tenant, { firstParty }: App, { resource }: Asking): Promise<boolean> {
  if (!firstParty) return true;
  return resource !== undefined && (!(await skipsConsent(tenant, resource)) || (await isManagement(tenant, resource)));
}

async function allowedOf(tenant: Tenant, { scope, resource }: Asking): Promise<Allowed> {
  const asked = [...new Set(scopeWords(scope))];
  return {
    scopes: asked.filter(isStandardScope),
    claims: [],
    resources: resource ? { [resource]: await ownScopes(tenant, resource, asked) } : {},
  };
}
