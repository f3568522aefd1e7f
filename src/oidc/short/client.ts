/** The client behind a plain request from a server: a form, and a secret in it or in the header. */
import type { FastifyRequest } from 'fastify';
import type { ClientMetadata } from 'oidc-provider';
import { basicOf } from '../../kernel/authorization.ts';
import { sameSecret } from '../../kernel/secret/random.ts';
import { type ClientExtras, isPreviousSecret, rowMetadata } from '../client/client-metadata.ts';

export type PlainClient = ClientMetadata & ClientExtras;

/** Headers that ask for more than a plain answer. */
const TELLING = ['origin', 'dpop', 'oauth-client-attestation', 'oauth-client-attestation-pop'];
const CREDENTIALS = ['client_id', 'client_secret'];

/** Nothing in address or headers that asks for more. The engine takes an address to the letter, without undoing its escapes. */
export const isPlain = ({ raw, headers, routeOptions }: FastifyRequest): boolean =>
  raw.url === routeOptions.url && TELLING.every((name) => headers[name] === undefined);

function credentialsOf({ headers }: FastifyRequest, form: URLSearchParams): [id?: string, secret?: string] {
  const inForm = CREDENTIALS.map((name) => form.get(name) ?? undefined);
  if (headers.authorization === undefined) return inForm as [string?, string?];
  const { id, secret } = basicOf(headers.authorization) ?? {};
  return inForm.some((value) => value !== undefined) ? [] : [id, secret];
}

/**
 * The client, when the request is as most are: each parameter one of these and given once, a secret that is right, and
 * nothing in headers or client that asks for more. Nothing otherwise, whatever the reason: it is the engine's to tell.
 */
export async function plainClient(
  request: FastifyRequest,
  form: URLSearchParams,
  parameters: ReadonlySet<string>,
): Promise<PlainClient | undefined> {
  if (!isPlain(request)) return undefined;
  const names = [...form.keys()];
  if (new Set(names).size < names.length) return undefined;
  if (names.some((name) => !parameters.has(name) && !CREDENTIALS.includes(name))) return undefined;
  const [id, secret] = credentialsOf(request, form);
  const client = id && secret ? ((await rowMetadata(request.tenant, id)) as PlainClient | undefined) : undefined;
  // One that registered itself is noted at its first use.
  if (!client?.client_secret || client.unused || client.dpop_bound_access_tokens) return undefined;
  return sameSecret(client.client_secret, secret!) || isPreviousSecret(client, secret!) ? client : undefined;
}
