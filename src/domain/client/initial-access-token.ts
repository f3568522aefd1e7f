/**
 * Initial access tokens (RFC 7591 §1.2): an administrator's leave to register clients, where not everybody may. Kept as
 * hashes; good for so many registrations, until a day.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, inSeconds, MINUTE, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { hashToken, mintToken } from '../../kernel/secret/random.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Timestamp } from '../../resource/define.ts';

const tokens = defineCollection({
  name: 'initial_access_token',
  title: 'InitialAccessToken',
  permission: 'clients',
  collection: 'initial_access_tokens',
  row: Type.Object({
    token: Type.String({ description: 'Hash' }),
    uses_left: Type.Integer(),
    expires_at: Timestamp(),
  }),
  defaults: () => ({}),
  filter: [],
  unique: [['token']],
  expires: 'expires_at',
});

const usable = (tenant: Tenant, token: string) => ({
  account: { $eq: tenant.id },
  token: { $eq: hashToken(token) },
  uses_left: { $gt: 0 },
  expires_at: { $gt: now() },
});

export const isUsable = (tenant: Tenant, token: string): Promise<boolean> =>
  tokens.exists(tenant, usable(tenant, token));

/** Takes one use. @returns false where none is left: of N that race for the last one, one gets it. */
export async function useInitialToken(tenant: Tenant, token: string): Promise<boolean> {
  const { modifiedCount } = await tokens.model.updateOne(usable(tenant, token), { $inc: { uses_left: -1 } });
  return modifiedCount === 1;
}

const Body = Type.Object(
  {
    expires_in: Type.Optional(
      Type.Integer({ minimum: MINUTE, maximum: 30 * DAY, description: 'Seconds; a day unless said otherwise' }),
    ),
    max_uses: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, description: 'How many clients may register with it; one by default' }),
    ),
  },
  { additionalProperties: false },
);
const Made = Type.Object({
  id: Type.String(),
  initial_access_token: Type.String({ description: 'Shown this once' }),
  max_uses: Type.Integer(),
  expires_at: Timestamp(),
});

export function mount(app: FastifyInstance): void {
  const describe = (operation: string, summary: string, description: string) => ({
    operationId: `client/${operation}`,
    tags: ['client'],
    summary,
    description,
    security: [{ bearerAuth: [] }],
  });
  app.post(
    '/client/initial-access-token',
    {
      config: { access: { permission: 'create:clients' } },
      schema: {
        ...describe(
          'createInitialAccessToken',
          'Make an initial access token',
          'For `/oidc/register`, where the account lets only holders of such a token register clients (RFC 7591).',
        ),
        body: Body,
        response: { 200: Made },
      },
    },
    async (request) => {
      const { expires_in = DAY, max_uses = 1 } = request.body as { expires_in?: number; max_uses?: number };
      const token = mintToken();
      const { id, expires_at } = await tokens.create(request.tenant, {
        token: hashToken(token),
        uses_left: max_uses,
        expires_at: inSeconds(expires_in),
      });
      await request.audit({ type: 'admin.client.initial_access_token_created', subject: id });
      return { id, initial_access_token: token, max_uses, expires_at };
    },
  );
  app.delete(
    '/client/initial-access-token/:initial_access_token_id',
    {
      config: { access: { permission: 'delete:clients' } },
      schema: {
        ...describe(
          'deleteInitialAccessToken',
          'Revoke an initial access token',
          'Nobody registers with it any more; clients that did stay.',
        ),
        params: Type.Object({ initial_access_token_id: Type.String({ maxLength: 100 }) }),
        response: { 200: Type.Object({ id: Type.String() }) },
      },
    },
    async (request) => {
      const { initial_access_token_id } = request.params as { initial_access_token_id: string };
      const { id } = await tokens.remove(request.tenant, initial_access_token_id);
      await request.audit({ type: 'admin.client.initial_access_token_deleted', subject: id });
      return { id };
    },
  );
}
