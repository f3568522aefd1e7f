/**
 * The secrets of a client: another one in place of the one that it has, and for how long the old one is good beside it.
 * Checking one is the engine's and the short way's; a client's first secret is client.ts's.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, inSeconds, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { Nullable } from '../../resource/define.ts';
import { present } from '../../resource/presentation.ts';
import type { Gives } from '../../resource/request.ts';
import { byGrants } from '../access/ceiling.ts';
import { type Client, clients, mintSecret, WITHOUT_PREVIOUS, WITHOUT_TOKEN } from './client.ts';

const LONGEST_OVERLAP_SECONDS = 30 * DAY;

/** The old secret while it is good, and until when (Unix time in ms). */
export function previousSecret(client: Client): { secret: string; until: number } | undefined {
  const until = client.previous_secret_expires_at?.getTime();
  const secret = until && until > Date.now() ? clients.reveal(client, 'previous_secret' as never) : null;
  return secret ? { secret, until: until! } : undefined;
}

/**
 * Without an overlap every older secret stops working with this call, and so does what would show the new one to whoever
 * registered the client.
 * @throws Fault `invalid_request` for a public client, which has none; `conflict` where two would be good beside the new
 *   one; `not_found`.
 */
async function rotateSecret(tenant: Tenant, id: string, overlapSeconds: number): Promise<Client> {
  for (;;) {
    const current = await clients.get(tenant, id);
    if (current.token_endpoint_auth_method === 'none')
      throw new Fault('invalid_request', 'A public client (token_endpoint_auth_method none) has no secret.');
    const until = current.previous_secret_expires_at;
    if (overlapSeconds && until && until > now())
      throw new Fault(
        'conflict',
        `The previous secret works until ${until.toISOString()}. End it first, or rotate without an overlap.`,
        { details: { expires_at: until.toISOString() } },
      );
    const previous = overlapSeconds
      ? {
          previous_secret: clients.reveal(current, 'client_secret') ?? undefined,
          previous_secret_expires_at: inSeconds(overlapSeconds),
        }
      : WITHOUT_PREVIOUS;
    const rotated = await clients.updateWhere(
      tenant,
      id,
      { client_secret: mintSecret(), ...previous, ...WITHOUT_TOKEN },
      {
        token_endpoint_auth_method: { $ne: 'none' },
        // Of two at once neither answers a secret that nobody takes.
        ...(overlapSeconds && { client_secret: { $eq: current.client_secret ?? null } }),
      },
    );
    if (rotated) return rotated;
  }
}

/** Secrets that were good for a while: nobody could use one, and it is kept no longer. */
export async function clearEndedSecrets(): Promise<void> {
  await clients.model.updateMany(
    { previous_secret_expires_at: { $lte: now() } },
    { $unset: { previous_secret: 1, previous_secret_expires_at: 1 } },
  );
}

const idOf = (params: unknown): string => (params as { client_id: string }).client_id;

/** Whoever has the secret is the client. */
const givesClient: Gives = async ({ tenant, params }) =>
  byGrants(tenant, (await clients.find(tenant, idOf(params)))?.grants);

export function mount(app: FastifyInstance): void {
  const describe = {
    tags: ['client'],
    security: [{ bearerAuth: [] }],
    params: Type.Object({ client_id: Type.String({ maxLength: 100 }) }),
    response: { 200: Type.Ref('Client') },
  };

  app.post(
    '/client/:client_id/rotate-secret',
    {
      config: { access: { permission: 'update:clients', gives: givesClient } },
      schema: {
        ...describe,
        operationId: 'client/rotateSecret',
        summary: "Rotate a Client's secret",
        description:
          'Makes a new `client_secret` and shows it. The previous one stops working at once, or after `overlap_seconds`: until then both work, and another rotation with an overlap is 409. A public client has none: 400.',
        body: Nullable(
          Type.Object(
            {
              overlap_seconds: Type.Optional(
                Type.Integer({
                  minimum: 0,
                  maximum: LONGEST_OVERLAP_SECONDS,
                  description: 'For how long the previous secret works beside the new one; 0: not at all',
                }),
              ),
            },
            { additionalProperties: false },
          ),
        ),
      },
    },
    async (request) => {
      const client_id = idOf(request.params);
      const body = request.body as { overlap_seconds?: number } | null;
      const rotated = await rotateSecret(request.tenant, client_id, body?.overlap_seconds ?? 0);
      await request.audit({
        type: 'admin.client.secret_rotated',
        subject: client_id,
        ...(body && { fields: Object.keys(body) }),
        refs: { client: client_id },
      });
      const [wire] = await present(request, clients, [rotated]);
      return { ...wire, client_secret: clients.reveal(rotated, 'client_secret') };
    },
  );

  app.delete(
    '/client/:client_id/previous-secret',
    {
      config: { access: { permission: 'update:clients' } },
      schema: {
        ...describe,
        operationId: 'client/endPreviousSecret',
        summary: "End a Client's previous secret",
        description: 'It stops working at once, before its time. Where there is none, nothing happens.',
      },
    },
    async (request) => {
      const client_id = idOf(request.params);
      const updated = await clients.update(request.tenant, client_id, WITHOUT_PREVIOUS);
      await request.audit({
        type: 'admin.client.previous_secret_ended',
        subject: client_id,
        refs: { client: client_id },
      });
      return (await present(request, clients, [updated]))[0];
    },
  );
}
