/**
 * Tenant and Actor: the two values that every operation is done in and on behalf of. Both are branded, so that neither
 * can be made by accident; the places that make them are named beside each constructor.
 */

declare const tenantBrand: unique symbol;
declare const rootBrand: unique symbol;

/**
 * What pages and the provider need of an account, read once per request from the (seconds-old) cache. Its settings are
 * added where they are defined (domain/account/account-settings.ts).
 */
export interface AccountView {
  readonly id: string;
  /** Bumped by every change that a Provider instance depends on. */
  readonly revision: number;
  /** The installation's own account, served at the base domain itself. */
  readonly root: boolean;
}

export type Tenant = {
  readonly id: string;
  /** The served origin and OIDC issuer, without a trailing slash. */
  readonly origin: string;
  readonly account: AccountView;
  readonly [tenantBrand]: true;
};

/** Made only by http/tenant.ts (from the request's host), by delivery/attempt.ts (from a row), by seeds and by scripts. */
export const asTenant = (account: AccountView, origin: string): Tenant =>
  ({ id: account.id, origin, account }) as unknown as Tenant;

/** The right to act on accounts themselves; app.ts makes the one there is and hands it to domain/account/account.ts. */
export type Root = { readonly [rootBrand]: true };
export const asRoot = (): Root => ({}) as Root;

export type Actor = {
  readonly kind: 'client' | 'user' | 'operator';
  /** The token's subject: a user id, or a client id for machine clients. */
  readonly id: string;
  readonly clientId: string;
  readonly permissions: ReadonlySet<string>;
  /** Of a user: when they logged in for this token (Unix time in seconds), and the grant that it was issued under. */
  readonly authTime?: number;
  readonly grant?: string;
};

export const can = (actor: Actor, permission: string): boolean => actor.permissions.has(permission);

/** Whether somebody acts for their own account. */
export const isOwn = (actor: Actor, user: string): boolean => actor.kind === 'user' && actor.id === user;

/**
 * Calls back when nobody waits for the answer any more, at once where that is so already.
 * @returns how not to be called.
 */
export type WhenGone = (leave: () => void) => () => void;

type Socket = { destroyed: boolean; once(event: 'close', listener: () => void): unknown; off: Socket['once'] };
export const whenGone =
  (socket: Socket): WhenGone =>
  (leave) => {
    if (socket.destroyed) leave();
    else socket.once('close', leave);
    return () => void socket.off('close', leave);
  };

/** Where a request came from, for counters and audit rows; and whether somebody still waits there. */
export type Origin = { readonly ip: string | null; readonly userAgent: string | null; readonly whenGone?: WhenGone };
