/** What an app asks for and what it was allowed, as pages name it: scopes that are standard, and an Api's own in its words. */
import { type Allowed, allowedBy, type Consent, consentOf } from '../../domain/access/consent.ts';
import type { Tenant } from '../../kernel/context.ts';
import { CLAIMS } from '../token/claims.ts';
import { allowedPart, without } from './consent.ts';
import { describeScopes, ownScopes } from './resource-server.ts';

type Texts = Readonly<Record<string, string>>;
type ByLanguage<N extends string> = Record<N, string> & { [names in `${N}s`]?: Texts };

export type Permissions = {
  /** Of OpenID Connect. */
  scopes: string[];
  /** Asked for one by one (OIDC Core §5.5), where no scope releases them already. */
  claims: string[];
  /** In the words that the Api was given, some of them by language. */
  permissions: { scope: string; api: ByLanguage<'name'>; description?: string; descriptions?: Texts }[];
};

export async function describeAllowed(tenant: Tenant, { scopes, claims, resources }: Allowed): Promise<Permissions> {
  const released = new Set(scopes.flatMap((scope) => CLAIMS[scope as keyof typeof CLAIMS] ?? []));
  const described = await Promise.all(
    Object.entries(resources).map(async ([identifier, wanted]) =>
      describeScopes(tenant, identifier, await ownScopes(tenant, identifier, wanted)),
    ),
  );
  return { scopes: [...scopes], claims: claims.filter((claim) => !released.has(claim)), permissions: described.flat() };
}

export type ConsentQuestion = {
  /** What is new, or all of it when nothing is. */
  asked: Permissions;
  /** What the app may do already, where that is less than what it asks for now. */
  held?: Permissions;
  /** True when the user has allowed all of it before. */
  again: boolean;
};

export async function questionOf(
  tenant: Tenant,
  parties: { user: string; client: string },
  wanted: Allowed,
): Promise<ConsentQuestion> {
  const held: Consent | undefined = await consentOf(tenant, parties);
  const { part, whole } = await allowedPart(tenant, wanted, held);
  const again = held !== undefined && whole;
  return {
    asked: await describeAllowed(tenant, again ? wanted : without(wanted, part)),
    held: held && !again ? await describeAllowed(tenant, allowedBy(held)) : undefined,
    again,
  };
}
