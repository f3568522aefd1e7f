/**
 * How an authorization request may come: in the address, pushed (RFC 9126) or signed (RFC 9101), and what has to hold for
 * each. What it may ask is the business of requested-claims.ts and authorization-details.ts.
 */
import { decodeJwt } from 'jose';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { HOUR, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { fapiProfile, isFapiAlg } from '../client/fapi.ts';

/** How long a signed request may be good for, hence how long whoever finds it may send it again. */
const LONGEST_SECONDS = HOUR;
const TYPES = new Set(['jwt', 'oauth-authz-req+jwt']);

const pushed = (ctx: KoaContextWithOIDC) =>
  (ctx.oidc.entities as { PushedAuthorizationRequest?: { request: string } }).PushedAuthorizationRequest;

/**
 * The engine's `assertJwtClaimsAndHeader`. `iss`, `aud`, signature and algorithm are the engine's to check.
 * @throws InvalidRequestObject
 */
export function checkRequestObject(ctx: KoaContextWithOIDC, claims: object, header: object): void {
  // Checked when it was pushed; what was pushed unsigned is an object of the engine's own making by now.
  if (pushed(ctx)) return;
  const refuse = (description: string): never => {
    throw new errors.InvalidRequestObject(description);
  };
  const { exp, nbf, sub } = claims as { exp?: number; nbf?: number; sub?: unknown };
  const { typ, alg } = header as { typ?: unknown; alg?: unknown };
  // RFC 9101 §10.8: no other kind of JWT passes for a request, above all not the client's assertion of who it is.
  if (
    typ !== undefined &&
    !TYPES.has(
      String(typ)
        .toLowerCase()
        .replace(/^application\//, ''),
    )
  )
    refuse('the request object has the typ of something else');
  if (sub !== undefined && sub === ctx.oidc.client?.clientId)
    refuse('the request object may not have the client as sub');
  if (exp === undefined) refuse('the request object must have exp');
  if (fapiProfile(ctx.oidc.client)) {
    // FAPI 2.0 Message Signing §5.3.1; the security profile's §5.4 has the algorithms.
    if (nbf === undefined) refuse('the request object must have nbf');
    if (!isFapiAlg(alg)) refuse('the request object is signed too weakly');
  }
  // Message Signing §5.3.1, and for all: whoever finds an old one could send it.
  if (nbf !== undefined && nbf < nowSeconds() - LONGEST_SECONDS)
    refuse('the nbf of the request object is too far back');
  if (exp! > nowSeconds() + LONGEST_SECONDS)
    refuse(`the request object may live for ${LONGEST_SECONDS} seconds at most`);
}

/** What the client put into its request, wherever that came: the engine's own view has lost something by then. */
function asRequested(ctx: KoaContextWithOIDC): Record<string, unknown> {
  const sent = { ...ctx.query, ...(ctx.oidc.body as Record<string, unknown> | undefined) };
  const object = pushed(ctx)?.request ?? sent.request;
  // Verified by now, and RFC 9101 §6.3: nothing beside it counts.
  return typeof object === 'string' ? decodeJwt(object) : sent;
}

/** Looks at a request once more after the engine's own checks: what it passes over without a word is refused. */
export function checkRequest(tenant: Tenant, ctx: KoaContextWithOIDC): void {
  const { oauth } = tenant.account;
  if (asRequested(ctx).authorization_details !== undefined && oauth.authorization_details_types.length === 0)
    throw new errors.InvalidAuthorizationDetails('authorization_details are not supported');
  // The engine forgets this about a client where the account does not take signed requests: nobody could sign one.
  if ((ctx.oidc.client as unknown as ClientExtras).signed_requests_only && !oauth.request_objects)
    throw new errors.InvalidRequest('Request Object must be used by this client');
}
