/** `/account`: an administrator of a tenant sees and changes that one; the operator sees, makes and removes them all. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { type Actor, asTenant, type Root } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { toWire } from '../../resource/collection.ts';
import { Nullable, OneOf } from '../../resource/define.ts';
import {
  expandPaths,
  type ListQuery,
  listOptions,
  may,
  pageSchema,
  pagingParameters,
  wireSchema,
} from '../../resource/routes.ts';
import { clients } from '../client/client.ts';
import { connections } from '../connection/connection.ts';
import { accountKeys, keyStates, keysView, revokeKey, rotateKeys } from '../key/account-keys.ts';
import { SIGNING_ALGS } from '../key/signing-key.ts';
import {
  type Account,
  type AccountPatch,
  accountBodies,
  accountByHost,
  accounts,
  rootAccount,
  updateAccount,
} from './account.ts';
import { createAccount, type NewAccount, removeAccount } from './account-provisioning.ts';

const nobody = () => false;

/** Accounts come and go in the installation's own trail, since one that is gone keeps none; changes are in each one's. */
const trailOf = ({ id }: { id: string }) => asTenant({ id } as never, '');

export function mountAccounts(app: FastifyInstance, { root, baseDomain }: { root: Root; baseDomain: string }): void {
  const { properties } = wireSchema(accounts as never);
  const { account: _none, ...own } = properties as Record<string, Type.TSchema>;
  const domain = Type.String({ description: '`<slug>.<base domain>`' });
  const default_connection = Type.Union([own.default_connection!, Type.Ref('Connection')]);
  const fields = { ...own, default_connection, domain };
  app.addSchema(Type.Object(fields, { $id: 'AuthAccount', description: 'AuthAccount' }));
  const row = Type.Ref('AuthAccount');
  const { metadata: _metadata, ...shown } = fields as Record<string, Type.TSchema>;
  const kid = (description: string) => Type.String({ description });
  const keys = {
    production_kid: kid('Signs new tokens'),
    next_in_queue_kid: kid('Promoted by the next rotation; published already'),
    kids_active: Type.Array(Type.String(), { description: 'All that are published in the key set' }),
  };
  const expand = {
    expand: Type.Optional(
      Type.Union([Type.String({ maxLength: 400 }), Type.Array(Type.String({ maxLength: 100 }))], {
        description: 'Inline these id fields, repeatable or comma-separated: `default_connection`',
      }),
    ),
  };
  const params = Type.Object({ account_id: Type.String({ maxLength: 100, description: 'Id of the Account' }) });
  const describe = (operation: string, summary: string, description?: string) => ({
    operationId: `account/${operation}`,
    tags: ['account'],
    summary,
    ...(description && { description }),
    security: [{ bearerAuth: [] }],
  });
  const access = (permission: string) => ({ config: { access: { permission } } });

  async function wire(account: Account, see: (permission: string) => boolean, paths: readonly string[] = []) {
    const answer: Record<string, unknown> = {
      ...toWire(accounts, account, see),
      domain: account.root ? baseDomain : `${account.slug}.${baseDomain}`,
    };
    for (const path of paths) {
      if (path !== 'default_connection')
        throw new Fault('validation', `"expand" does not take "${path}".`, {
          details: [{ path: '?/expand', message: 'must be default_connection' }],
        });
      if (!see('read:connections'))
        throw new Fault('insufficient_scope', 'The access token lacks the permission read:connections.', {
          details: { missing: 'read:connections' },
        });
      const tenant = asTenant({ id: account.id } as never, '');
      const connection = account.default_connection
        ? await connections.find(tenant, account.default_connection)
        : undefined;
      if (connection) answer.default_connection = toWire(connections, connection, see);
    }
    return answer;
  }

  /** The operator reaches every account, everybody else the one that the token is for. */
  function reach(actor: Actor, request: FastifyRequest, id: string): string {
    if (actor.kind !== 'operator' && id !== request.tenant.id) throw new Fault('not_found', 'Account not found.');
    return id;
  }
  const paths = (request: FastifyRequest) => expandPaths((request.query as ListQuery).expand);
  const served = async (id: string) => {
    const account = await accounts.get(root, id).catch((error) => {
      throw error instanceof Fault && error.code === 'not_found' ? new Fault('not_found', 'Account not found.') : error;
    });
    if (!account.provisioned || account.deleting_at) throw new Fault('not_found', 'Account not found.');
    return account;
  };
  const idOf = (request: FastifyRequest) =>
    reach(request.actor, request, (request.params as { account_id: string }).account_id);

  app.get(
    '/account/current',
    {
      ...access('read:accounts'),
      schema: {
        ...describe('current', 'Get the current Account'),
        querystring: Type.Object(expand, { additionalProperties: false }),
        response: { 200: row },
      },
    },
    async (request) => wire(await served(request.tenant.id), may(request.actor), paths(request)),
  );

  app.get(
    '/account',
    {
      ...access('read:accounts'),
      schema: {
        ...describe('list', 'List Accounts'),
        querystring: Type.Object({ ...pagingParameters, ...expand }, { additionalProperties: false }),
        response: { 200: pageSchema(row) },
      },
    },
    async (request) => {
      const own = request.actor.kind === 'operator' ? {} : { _id: { $eq: request.tenant.id } };
      const query = request.query as ListQuery;
      const page = await accounts.list(root, listOptions(query), { ...own, provisioned: true, deleting_at: null });
      const results = await Promise.all(
        page.results.map((account) => wire(account, may(request.actor), paths(request))),
      );
      return { results, next: page.next };
    },
  );

  app.post(
    '/account',
    {
      ...access('create:accounts'),
      schema: {
        ...describe(
          'create',
          'Create an Account',
          'Makes a tenant with keys, its management API, a database connection and a first machine client, whose id and secret are in `metadata.management_client` of this one answer.',
        ),
        body: accountBodies.create,
        response: { 201: row },
      },
    },
    async (request, reply) => {
      const { account, managementClient } = await createAccount(root, request.body as NewAccount);
      await request.audit({
        tenant: trailOf((await rootAccount())!),
        type: 'admin.account.created',
        subject: account.id,
        fields: Object.keys(request.body as object),
      });
      const answer = await wire(account, () => true);
      const management_client = {
        client_id: managementClient.id,
        client_secret: clients.reveal(managementClient, 'client_secret'),
      };
      return reply.code(201).send({ ...answer, metadata: { ...account.metadata, management_client } });
    },
  );

  app.get(
    '/account/host/:host',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'account/getByHost',
        tags: ['account'],
        summary: 'Find Account by host',
        description: 'Public, and therefore without `team` and `metadata` and with `token_signature` masked.',
        params: Type.Object({ host: Type.String({ maxLength: 260, description: 'Host name, without a port' }) }),
        response: { 200: Type.Object(shown, { description: 'What everybody may know of the account' }) },
      },
    },
    async (request) => {
      const { host } = request.params as { host: string };
      const view = await accountByHost(host.toLowerCase().replace(/:\d+$/, ''), baseDomain);
      if (!view) throw new Fault('not_found', 'Account not found.');
      const { metadata: _private, ...shown } = await wire(await served(view.id), nobody);
      return shown;
    },
  );

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
          'Promotes the queued key of every algorithm and queues new ones. Older keys stay published, so that live tokens verify.',
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

  app.get(
    '/account/:account_id',
    {
      ...access('read:accounts'),
      schema: {
        ...describe('get', 'Get an Account'),
        params,
        querystring: Type.Object(expand, { additionalProperties: false }),
        response: { 200: row },
      },
    },
    async (request) => wire(await served(idOf(request)), may(request.actor), paths(request)),
  );

  app.post(
    '/account/:account_id',
    {
      ...access('update:accounts'),
      schema: {
        ...describe('update', 'Update an Account'),
        params,
        body: accountBodies.update,
        response: { 200: row },
      },
    },
    async (request) => {
      const updated = await updateAccount(root, idOf(request), request.body as AccountPatch);
      await request.audit({
        tenant: trailOf(updated),
        type: 'admin.account.updated',
        subject: updated.id,
        fields: Object.keys(request.body as object),
      });
      return wire(updated, may(request.actor));
    },
  );

  app.delete(
    '/account/:account_id',
    {
      ...access('delete:accounts'),
      schema: {
        ...describe('delete', 'Delete an Account', 'Removes the account with everything in it. This cannot be undone.'),
        params,
        response: { 200: row },
      },
    },
    async (request) => {
      const id = idOf(request);
      await served(id);
      const removed = await removeAccount(root, id);
      await request.audit({ tenant: trailOf((await rootAccount())!), type: 'admin.account.deleted', subject: id });
      return wire(removed, nobody);
    },
  );
}
