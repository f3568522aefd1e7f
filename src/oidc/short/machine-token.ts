/**
 * The short way to a machine's token (RFC 6749 §4.4), which is what a server asks for most. Like userinfo's it knows no
 * refusals: whatever is not plainly in order goes to the engine, which answers the same for what is.
 */
import type { FastifyRequest } from 'fastify';
import { recordMachineLogin } from '../../auth/machine-login.ts';
import { scopeWords } from '../../kernel/text.ts';
import { mayUseGrant } from '../client/client-rules.ts';
import { apiOf, defaultResource, machineScopes, tokenTerms } from '../request/resource-server.ts';
import { issueAccessToken } from '../token/access-token.ts';
import { plainClient } from './client.ts';

const PARAMETERS = new Set(['grant_type', 'resource', 'audience', 'scope']);
/** RFC 6749 §3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

export async function machineToken(request: FastifyRequest, form: URLSearchParams): Promise<object | undefined> {
  if (form.get('grant_type') !== 'client_credentials') return undefined;
  const { tenant } = request;
  const client = await plainClient(request, form, PARAMETERS);
  const scope = form.get('scope') ?? undefined;
  if (!client || !mayUseGrant(client.grant_types, 'client_credentials')) return undefined;
  if (scope !== undefined && !SCOPE.test(scope)) return undefined;
  const resource = form.get('resource') ?? (await defaultResource(tenant, client.client_id));
  const api = resource && URL.canParse(resource) ? await apiOf(tenant, resource) : undefined;
  const asked = [...new Set(scopeWords(scope))];
  const allowed = api && machineScopes(client, api, asked);
  if (!allowed) return undefined;
  const granted = (scope === undefined ? allowed : asked.filter((name) => allowed.includes(name))).join(' ');
  const { audience, lifetimeSeconds, alg, typ } = tokenTerms(api);
  const token = {
    clientId: client.client_id,
    aud: audience,
    expiration: lifetimeSeconds,
    scope: granted || undefined,
    permissions: granted,
    alg,
    typ,
  };
  const access_token = await issueAccessToken(tenant, token);
  recordMachineLogin(tenant, { client: client.client_id, ip: request.ip, audience })?.catch((error: unknown) =>
    request.log.error({ err: error }, 'a machine login was not recorded'),
  );
  return {
    access_token,
    expires_in: lifetimeSeconds,
    ...(granted && { scope: granted }),
    token_type: 'Bearer',
  };
}
