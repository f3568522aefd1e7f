/** Apps in words: what one may do, where it leads, and what a person should be warned of. */
import type { Tenant } from '../../kernel/context.ts';
import { readable } from '../../kernel/text/shown.ts';
import { foldWords } from '../../kernel/text.ts';
import { inLanguage } from '../../look/words.ts';
import type { Interactions } from '../../oidc/browser/interactions.ts';
import { claimPermission, scopePermission } from '../shell/locale.ts';
import type { AppNotice, PageGuest } from '../shell/page.ts';

/** Shown as it is: the built-in ones are translated. */
export type Permission = { title: string; api?: string };

type Permissions = Awaited<ReturnType<Interactions['question']>>['asked'];

/** Where a user sees and removes what apps may do. */
export const APPS = '/flow/apps';
export const appsAddress = ({ origin }: Tenant): string => `${origin}${APPS}`;

/** Access that goes on while the user is away comes last, where it is read. */
export function sentences({ scopes, claims, permissions }: Permissions, locale: string): Permission[] {
  const standard = (scope: string) => scopePermission(scope, locale) ?? [];
  return [
    ...new Set([
      ...scopes.filter((scope) => scope !== 'offline_access').flatMap(standard),
      ...claims.flatMap((claim) => claimPermission(claim, locale) ?? []),
    ]),
    ...permissions.map(({ scope, api, description, descriptions }) => ({
      // Whoever words it must not leave it unsaid.
      title: readable(inLanguage(locale, descriptions, description)) ?? scope,
      api: readable(inLanguage(locale, api.names, api.name)) ?? api.name,
    })),
    ...scopes.filter((scope) => scope === 'offline_access').flatMap(standard),
  ].map((permission) => (typeof permission === 'string' ? { title: permission } : permission));
}

type Named = { name: string; firstParty: boolean; unverified: boolean };

/** Whoever makes an app chooses its name: one that reads like the tenant's, or mixes alphabets to, is not left at that. */
export function noticeOf({ account }: Tenant, { name, firstParty, unverified }: Named): AppNotice | undefined {
  if (firstParty) return undefined;
  const [theirs, ours] = [name, account.name].map((text) => foldWords(text!).join(''));
  const borrowed = ours!.length > 2 && theirs!.includes(ours!);
  const mixed = name.split(/\s+/).some((word) => /\p{sc=Latin}/u.test(word) && /[\p{sc=Cyrl}\p{sc=Grek}]/u.test(word));
  return borrowed || mixed ? 'lookalike' : unverified ? 'unverified' : undefined;
}

/** What a page says of the app before anybody has logged in through it here. */
export const guestOf = (tenant: Tenant, client: Named & { guest: boolean; destination?: string }) =>
  client.guest
    ? ({
        notice: noticeOf(tenant, client) ?? 'unverified',
        destination: hostOf(client.destination),
      } satisfies PageGuest)
    : undefined;

/** A host by its name; undefined for what stands for a program on the user's own device. */
export const hostOf = (destination: string | undefined): string | undefined =>
  destination === 'localhost' || destination?.endsWith(':') ? undefined : destination;

/** Websites are named by their host too, which is what tells a real one from a copy. */
export const hostIn = (address: string | undefined): string | undefined => URL.parse(address ?? '')?.host;
