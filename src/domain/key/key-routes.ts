/** `/account/keys`: which signing keys there are, and their rotation and revocation. Never the private ones. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { Nullable, OneOf } from '../../resource/define.ts';
import { accountKeys, keyStates, keysView, revokeKey, rotateKeys } from './account-keys.ts';
import { SIGNING_ALGS } from './signing-key.ts';

export function mountKeys(app: FastifyInstance): void {
  const kid = (description: string) => Type.String({ description });
  const keys = {
    production_kid: kid('Signs new tokens'),
    next_in_queue_kid: kid('Promoted by the next rotation; published already'),
    kids_active: Type.Array(Type.String(), { description: 'All that are published in the key set' }),
  };
  const describe = (operation: string, summary: string, description: string) => ({
    operationId: `account/${operation}`,
    tags: ['account'],
    summary,
    description,
    security: [{ bearerAuth: [] }],
  });
  const access = (permission: string) => ({ config: { access: { permission } } });

  app.get(
    '/account/keys',
    {
      ...access('read:keys'),
      schema: {
        ...describe('getKeys', 'Get the Account signing keys', 'Which keys there are; never the private ones.'),
        response: { 200: Type.Object(keys, { description: 'The keys by their `kid`' }) },
      },
    },
    async (request) => keysView(await accountKeys(request.tenant)),
  );

  app.get(
    '/account/keys/states',
    {
      ...access('read:keys'),
      schema: {
        ...describe('listKeys', 'List the Account signing keys', 'Every published key, oldest first.'),
        response: {
          200: Type.Object({
            results: Type.Array(
              Type.Object({
                kid: Type.String(),
                alg: OneOf(SIGNING_ALGS),
                state: OneOf(
                  ['production', 'queued', 'retired'],
                  'Signs new tokens; signs them after the next rotation; only verifies what it signed before',
                ),
              }),
            ),
          }),
        },
      },
    },
    async (request) => ({ results: keyStates(await accountKeys(request.tenant)) }),
  );

  app.post(
    '/account/keys/rotate',
    {
      ...access('update:keys'),
      schema: {
        ...describe(
          'rotateKeys',
          'Rotate the Account signing keys',
          'Promotes the queued key of every algorithm and queues new ones. Older keys stay published, so that live tokens verify. Within an hour after the last one a rotation is refused with the time (409 `rotated_recently`, `Retry-After`), since not everybody knows the queued key yet.',
        ),
        body: Nullable(Type.Object({}, { additionalProperties: false })),
        response: {
          200: Type.Object(
            {
              rotated_at: Type.String({ format: 'date-time' }),
              previous_production_kid: kid('Signed tokens until now; still published'),
              ...keys,
            },
            { description: 'The keys after the rotation' },
          ),
        },
      },
    },
    async (request) => {
      const rotated = await rotateKeys(request.tenant);
      await request.audit({ type: 'admin.account.keys_rotated', subject: request.tenant.id });
      return rotated;
    },
  );

  app.post(
    '/account/keys/:kid/revoke',
    {
      ...access('update:keys'),
      schema: {
        ...describe(
          'revokeKey',
          'Revoke a signing key',
          'For a key that somebody else may have. It leaves the key set, and what it signed stops working here within seconds; APIs that verify tokens themselves go on until they fetch the key set again. The queued key takes the place of one that signs. Refresh tokens live on.',
        ),
        params: Type.Object({ kid: Type.String({ maxLength: 100, description: '`kid` of a published key' }) }),
        body: Nullable(Type.Object({}, { additionalProperties: false })),
        response: {
          200: Type.Object(
            { revoked_at: Type.String({ format: 'date-time' }), revoked_kid: Type.String(), ...keys },
            { description: 'The keys that are left' },
          ),
        },
      },
    },
    async (request) => {
      const { kid } = request.params as { kid: string };
      const revoked = await revokeKey(request.tenant, kid);
      await request.audit({ type: 'admin.account.key_revoked', subject: kid });
      return revoked;
    },
  );
}
