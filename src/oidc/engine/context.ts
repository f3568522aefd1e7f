/**
 * What the engine is answering at the moment. It makes, stores and finds its models without saying on whose behalf, so
 * the little that patches and storage have to know of a request is asked of its ambient context, here and nowhere else:
 * whatever can be handed over as an argument is. Outside of the engine's requests (pages, mint.ts, jobs) there is none,
 * and every answer is that of a request that asks for nothing.
 */
import { errors, type Grant, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { Fault } from '../../kernel/fault.ts';

/** To keep things by for as long as it lasts, and to hand on where a rule takes a request. */
export const currentRequest = (): KoaContextWithOIDC | undefined => Provider.ctx;

/** Where it came from; a client that describes itself is fetched on that account. */
export const callerAddress = (): string => Provider.ctx?.ip ?? '';

/** The grant that tokens are being issued under. */
export const grantAtHand = (): Grant | undefined => Provider.ctx?.oidc.entities.Grant;

/** The refresh token that is being replaced. */
export const replacedToken = (): string | undefined => Provider.ctx?.oidc.entities.RotatedRefreshToken?.jti;

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

/** The grant type that the request is about; whoever asks for a device's codes wants to use theirs. */
export function grantTypeAskedFor(): unknown {
  const { route, params } = Provider.ctx?.oidc ?? {};
  if (route === 'device_authorization') return DEVICE_CODE;
  return route === 'token' ? params?.grant_type : undefined;
}

/** Whether something came that the client has signed. */
export function isSigned(): boolean {
  const { params } = Provider.ctx?.oidc ?? {};
  return Boolean(params?.client_assertion || params?.request);
}

export const asksUserinfo = (): boolean => Provider.ctx?.oidc.route === 'userinfo';
export const asksAboutToken = (): boolean => Provider.ctx?.oidc.route === 'introspection';

/** RFC 7009 of an access token, not of a refresh token. */
export function revokesAccessToken(): boolean {
  const { route, entities } = Provider.ctx?.oidc ?? {};
  return route === 'revocation' && entities?.AccessToken !== undefined;
}

/** Of a client that cannot be had because too many were asked for: what the engine would take for a failure of its own. */
export function refuseInTime(error: unknown): never {
  const request = currentRequest();
  if (!request || !(error instanceof Fault) || error.code !== 'too_many_requests') throw error;
  const { status, oauth } = error.row;
  request.set('retry-after', String(error.retryAfterSeconds));
  const refusal = new errors.CustomOIDCProviderError(oauth!, error.message);
  throw Object.assign(refusal, { status, statusCode: status, expose: true });
}
