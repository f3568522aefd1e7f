/** Many tenants at once: copies of one, with rows of their own and its keys, since a thousand key pairs take minutes. */
import { accounts } from '../../src/domain/account/account.ts';
import { apis } from '../../src/domain/api/api.ts';
import { clients } from '../../src/domain/client/client.ts';
import { signingKeyModel, signingKeysOf } from '../../src/domain/key/signing-key.ts';
import { asRoot, asTenant, type Tenant } from '../../src/kernel/context.ts';
import { mintToken } from '../../src/kernel/secret/random.ts';
import { seal } from '../../src/kernel/secret/seal.ts';

type MachineClient = { client_id: string; client_secret: string; audience: string };

/** @returns the host name and the machine client of each. */
export async function cloneTenants(
  model: Tenant,
  machine: MachineClient,
  count: number,
): Promise<{ host: string; client: MachineClient }[]> {
  const [key] = await signingKeysOf(model.id);
  const api = await apis.findOne(model, { identifier: { $eq: machine.audience } });
  if (!key?.privateKey || !api) throw new Error('the demo is not whole');
  const pem = key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const copies: { host: string; client: MachineClient }[] = [];
  for (let n = 0; n < count; n += 1) {
    const [production, next] = [mintToken(32), mintToken(32)];
    const account = await accounts.create(asRoot(), {
      name: `Tenant ${n}`,
      slug: `tenant-${n}`,
      token_signature: 'x',
      revision: 1,
      key_production: production,
      key_next: next,
      keys_published: [production, next],
      provisioned: true,
    } as never);
    await signingKeyModel.insertMany(
      [production, next].map((kid) => ({
        _id: kid,
        account: account.id,
        alg: key.alg,
        public_jwk: { ...key.publicJwk, kid },
        private_sealed: seal(pem, `signing_key:${kid}`),
        createdAt: account.createdAt,
      })),
    );
    const tenant = asTenant({ id: account.id } as never, '');
    const { name, identifier, slug, permissions } = api;
    await apis.create(tenant, { name, identifier, slug, permissions });
    const id = clients.mintId();
    const client_secret = mintToken(36);
    await clients.create(tenant, {
      id,
      client_id: id,
      client_secret,
      name: 'Worker',
      grant_types: ['client_credentials'],
    });
    copies.push({ host: `${account.slug}.localhost`, client: { client_id: id, client_secret, audience: identifier } });
  }
  return copies;
}
