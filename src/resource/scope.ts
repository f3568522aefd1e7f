/** Whose rows a call is about: a tenant's, or the installation's. */
import type { Root, Tenant } from '../kernel/context.ts';
import type { Filter, ResourceSpec } from './define.ts';

export type Scope = Tenant | Root;

type Scoped = Pick<ResourceSpec, 'scope'>;

/** What every filter carries. */
export const scopeFilter = ({ scope }: Scoped, of: Scope): Filter =>
  scope === 'root' ? {} : { account: { $eq: (of as Tenant).id } };

export const ownerOf = ({ scope }: Scoped, of: Scope): string => (scope === 'root' ? 'root' : (of as Tenant).id);
