/** Where a mailed link sends the browser in the end: which addresses may be asked for, and how the outcome is told. */
import Type from 'typebox';
import { type Actor, can, type Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { accountOf } from '../account/account.ts';
import { clients } from '../client/client.ts';

export const RedirectUri = (description: string) => Type.Optional(Type.String({ maxLength: 2048, description }));

/**
 * An administrator may name any web address. A user may name only what the tenant has vouched for, since the link
 * carries the tenant's host: a path of ours, a `callback_hostnames` host, or an origin of the client that is asking.
 * @throws Fault `validation`.
 */
export async function checkTarget(tenant: Tenant, actor: Actor, permission: string, target?: string): Promise<void> {
  if (target === undefined) return;
  const refuse = (message: string): never => {
    throw new Fault('validation', `"redirect_uri" ${message}.`, { details: [{ path: '/redirect_uri', message }] });
  };
  const url = URL.parse(target, tenant.origin);
  if (!url || /[\s\\\p{Cc}]/u.test(target) || url.username || url.password) return refuse('is not an address');
  if (url.origin === tenant.origin) return;
  if (!['http:', 'https:'].includes(url.protocol)) return refuse('must be a path or an http(s) address');
  if (target.startsWith('//')) return refuse('must name its scheme');
  if (can(actor, permission)) return;
  const [account, client] = await Promise.all([accountOf(tenant), clients.find(tenant, actor.clientId)]);
  const known = [...(client?.callbacks ?? []), ...(client?.logout_urls ?? []), ...(client?.web_origins ?? [])];
  const vouched =
    account.callback_hostnames.includes(url.hostname) ||
    known.some((address) => URL.parse(address)?.origin === url.origin);
  if (!vouched) refuse("is none of the account's hosts and of the client's addresses");
}

/** The target, or our own page where none was asked for, with `status` appended. */
export function landingOf(tenant: Tenant, target: string | undefined, fallback: string, status: string): string {
  const url = new URL(target ?? fallback, tenant.origin);
  url.searchParams.set('status', status);
  return url.href;
}
