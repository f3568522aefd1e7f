/** Secrets that public clients of an earlier release have, and nobody can use. */
import { clients } from './client.ts';

async function run(): Promise<Record<string, unknown> | undefined> {
  const { modifiedCount } = await clients.model.updateMany(
    { token_endpoint_auth_method: 'none', client_secret: { $exists: true } },
    { $unset: { client_secret: 1 } },
  );
  return modifiedCount ? { public_clients_without_their_secret: modifiedCount } : undefined;
}

export const publicSecrets = { name: 'public-client-secrets', run };
