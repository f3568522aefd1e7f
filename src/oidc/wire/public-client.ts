/** A client that has no secret and still uses the header for one. */
import type { FastifyRequest } from 'fastify';
import { isDocumentId } from '../../domain/client/client.ts';
import { basicOf } from '../../kernel/authorization.ts';
import { rowMetadata } from '../client/client-metadata.ts';

/**
 * `Basic <client_id>:` of a public client names it and claims nothing, as `client_id` in the form does: an empty secret may
 * as well be left out (RFC 6749 §2.3.1). Of one that has a secret it stays what it is, a secret that is missing.
 */
export async function nameWithoutSecret({ raw, tenant }: FastifyRequest, form: URLSearchParams): Promise<void> {
  const { id, secret } = basicOf(raw.headers.authorization) ?? {};
  if (!id || secret !== '' || (form.has('client_id') && form.get('client_id') !== id)) return;
  const isPublic = isDocumentId(id) || (await rowMetadata(tenant, id))?.token_endpoint_auth_method === 'none';
  if (!isPublic) return;
  delete raw.headers.authorization;
  form.set('client_id', id);
}
