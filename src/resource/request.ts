/** What http/ puts on every request before a handler runs, and what a route must declare. */
import type { FastifyRequest } from 'fastify';
import type { Actor, Origin, Tenant } from '../kernel/context.ts';

/**
 * Who may call a route. `session` routes are pages' own calls, authorised by the browser session. `self` names the path
 * parameter with a user's id: that user may call it too, with an own access token, whatever its permissions.
 */
export type Access = 'public' | 'session' | { permission: string; self?: string; gives?: Gives };

/** Permissions that a call gives to somebody, or puts in its caller's hand: who lacks one of them is refused. */
export type Gives = (request: FastifyRequest) => Given;
export type Given = Promise<Iterable<string>> | Iterable<string>;

export type AuditEvent = {
  /** Whose trail it belongs to, where that is not the request's tenant. */
  tenant?: Tenant;
  /** Dotted: `admin.role.created`. */
  type: string;
  subject: string;
  /** Names of the changed fields, never their values. */
  fields?: string[];
  /** Ids that the log can be filtered by. */
  refs?: { user?: string; client?: string; connection?: string; team?: string };
};

declare module 'fastify' {
  interface FastifyRequest {
    tenant: Tenant;
    actor: Actor;
    from: Origin;
    /** Leaves an audit row for a management write. */
    audit(event: AuditEvent): Promise<void>;
  }
  interface FastifyContextConfig {
    access?: Access;
    /** It says that the address has no such method. */
    refuses?: true;
  }
}
