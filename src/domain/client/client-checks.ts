/** What a client may say of itself, beyond what a schema says: its addresses, its keys, and what does not go together. */
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Client, ClientInput } from './client.ts';
import { checkClientKeys } from './client-keys.ts';
import { checkGroupsClaim } from './groups-claim.ts';

/** RFC 6749 §3.1.2 and RFC 9700 §2.1: absolute, without fragment; scripts and local files are no redirect targets. */
export function checkRedirect(field: string, value: string): void {
  const refuse = (message: string): never => {
    throw new Fault('validation', `"${field}" ${message}: ${JSON.stringify(value)}.`, {
      details: [{ path: `/${field}`, message }],
    });
  };
  if (/[\s\p{Cc}*\\]/u.test(value)) refuse('may not contain white space, control characters, "\\" or "*"');
  const url = URL.canParse(value) ? new URL(value) : refuse('must be an absolute URL');
  // A browser reads `https:host` and `https:///host` as addresses too, but matching is to the letter.
  if (/^https?:$/.test(url.protocol) && !/^https?:\/\/[^/]/i.test(value)) refuse('must be an absolute URL');
  if (value.includes('#')) refuse('may not have a fragment');
  if (url.username || url.password) refuse('may not contain a user name or password');
  if (['javascript:', 'data:', 'file:', 'blob:', 'vbscript:', 'about:'].includes(url.protocol))
    refuse(`may not use the scheme ${url.protocol}`);
}

/**
 * What neither a schema can say nor the specs of references.
 * @param current what the patch is laid over.
 * @throws Fault `validation`.
 */
export function checkClient(tenant: Tenant, input: ClientInput, current: Partial<Client>): void {
  checkClientKeys(tenant, input, current);
  checkFrontchannel(input, current);
  checkGroupsClaim(input, current);
  checkVerified(input, current);
  for (const url of input.callbacks ?? []) checkRedirect('callbacks', url);
  for (const url of input.logout_urls ?? []) checkRedirect('logout_urls', url);
  for (const field of ['frontchannel_logout_uri', 'backchannel_logout_uri'] as const)
    if (input[field]) checkRedirect(field, input[field]);
  for (const origin of input.web_origins ?? []) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin || origin.includes('*'))
      throw new Fault(
        'validation',
        `"web_origins" must hold origins like https://app.example.com: ${JSON.stringify(origin)}.`,
        {
          details: [{ path: '/web_origins', message: 'must be an origin' }],
        },
      );
  }
}

/**
 * Front-Channel Logout 1.0 §2: the address has scheme, host and port of a redirect URI, since what is shown in a frame of
 * ours must be the app's. Of several changes at once each is checked against what the client is then.
 */
function checkFrontchannel(input: ClientInput, current: Partial<Client>): void {
  if (input.frontchannel_logout_uri === undefined && input.callbacks === undefined) return;
  const { frontchannel_logout_uri: uri, callbacks = [] } = { ...current, ...input };
  const origin = uri && URL.parse(uri)?.origin;
  if (!origin || callbacks.some((callback) => URL.parse(callback)?.origin === origin)) return;
  throw new Fault('validation', '"frontchannel_logout_uri" must have the origin of one of the callbacks.', {
    details: [{ path: '/frontchannel_logout_uri', message: 'must have the origin of one of the callbacks' }],
  });
}

function checkVerified(input: ClientInput, current: Partial<Client>): void {
  if (input.is_verified !== false || !{ ...current, ...input }.is_first_party) return;
  throw new Fault('validation', '"is_verified" may not be false for a first-party client.', {
    details: [{ path: '/is_verified', message: 'may not be false when is_first_party is true' }],
  });
}
