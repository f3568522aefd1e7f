/** `/account`: an administrator of a tenant sees and changes that one; the operator sees, makes and removes them all. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { type Actor, asTenant, type Root, type Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { hostName } from '../../kernel/text/host.ts';
import { compared } from '../../kernel/text/kind.ts';
import { may, requireSight } from '../../resource/presentation.ts';
import {
  expandPaths,
  type ListQuery,
  listOptions,
  pageSchema,
  pagingParameters,
  wireSchema,
} from '../../resource/schemas.ts';
import { expandWire, expansion, type Wire } from '../../resource/wire.ts';
import { clients } from '../client/client.ts';
import { mountKeys } from '../key/key-routes.ts';
import {
  type Account,
  type AccountPatch,
  accountByHost,
  accounts,
  rootAccount,
  updateAccount,
  viewOf,
  writeAccount,
} from './account.ts';
import { accountBodies, openFields, openSchema } from './account-fields.ts';
import { createAccount, type NewAccount, removeAccount } from './account-provisioning.ts';
import {
  type FetchPicture,
  fetchPictures,
  forgetLogos,
  keepLogo,
  keepPictures,
  LogoBody,
  type LogoInput,
  serveLogos,
} from './logo.ts';

const nobody = () => false;

/** Accounts come and go in the installation's own trail, since one that is gone keeps none; changes are in each one's. */
const trailOf = ({ id }: { id: string }) => asTenant({ id } as never, '');

type Options = { root: Root; baseDomain: string; fetchPicture: FetchPicture };

export function mount(app: FastifyInstance, { root, baseDomain, fetchPicture }: Options): void {
  const { properties } = wireSchema(accounts);
  const { account: _none, ...own } = properties as Record<string, Type.TSchema>;
  const domain = Type.String({ description: '`<slug>.<base domain>`' });
  const fields = { ...own, domain };
  app.addSchema(Type.Object(fields, { $id: 'AuthAccount', description: 'AuthAccount' }));
  const row = Type.Ref('AuthAccount');
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
  const access = (permission: string) => ({ config: { access: { permission }, notYet: accounts.spec.notYet } });

  async function wire(
    account: Account,
    see: (permission: string) => boolean,
    paths: readonly string[] = [],
  ): Promise<Wire> {
    for (const path of paths) requireSight(see, `read:${expansion(accounts, path).spec.permission}`);
    const [answer] = await expandWire(accounts, asTenant({ id: account.id } as never, ''), [account], paths, see);
    return { ...answer, domain: domainOf(account) };
  }
  const domainOf = ({ root, slug }: Account) => (root ? baseDomain : `${slug}.${baseDomain}`);

  /** The account at its own address, whose request may have come to the operator's. */
  function home({ tenant }: FastifyRequest, account: Account): Tenant {
    if (account.id === tenant.id) return tenant;
    const address = new URL(tenant.origin);
    address.hostname = domainOf(account);
    return asTenant(viewOf(account), address.origin);
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
      const input = request.body as NewAccount;
      const pictures = await fetchPictures(input, fetchPicture);
      const { account, managementClient } = await createAccount(root, input, (made) => {
        const { logo_src, icon_src, branding } = made;
        return keepPictures(home(request, made), { logo_src, icon_src, branding }, pictures);
      });
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
        description:
          'Public, and therefore what a login page shows and no more: how the account is called and looks. `token_signature` is masked; `callback_hostnames` and `notification_settings` are as any account starts.',
        params: Type.Object({ host: Type.String({ maxLength: 260, description: 'Host name, without a port' }) }),
        response: {
          200: Type.Object(
            { id: own.id!, ...openSchema, domain, createdAt: own.createdAt! },
            { description: 'What everybody may know of the account' },
          ),
        },
      },
    },
    async (request) => {
      const { host } = request.params as { host: string };
      const view = await accountByHost(compared(hostName, host.replace(/:\d+$/, '')), baseDomain);
      if (!view) throw new Fault('not_found', 'Account not found.');
      const { id, domain, createdAt, ...fields } = await wire(await served(view.id), nobody);
      return { id, ...openFields(fields), domain, createdAt };
    },
  );

  mountKeys(app);

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
      const account = await served(idOf(request));
      const [tenant, wanted] = [home(request, account), request.body as AccountPatch];
      const pictures = await fetchPictures(wanted, fetchPicture, { tenant, account });
      const updated = await updateAccount(root, account.id, await keepPictures(tenant, wanted, pictures));
      if (pictures.length > 0) await forgetLogos(tenant, updated);
      await request.audit({
        tenant: trailOf(updated),
        type: 'admin.account.updated',
        subject: updated.id,
        fields: Object.keys(request.body as object),
      });
      return wire(updated, may(request.actor));
    },
  );

  app.post(
    '/account/:account_id/logo',
    {
      ...access('update:accounts'),
      schema: {
        ...describe(
          'setLogo',
          "Set an Account's logo",
          'Takes a PNG, JPEG, GIF or WebP picture of 256 KB at most, in base64 or from an address that is fetched at once, and keeps it: `logo_src`, or `branding.logo_dark_src`, is the address that it is served at from then on.',
        ),
        params,
        body: LogoBody,
        response: { 200: row },
      },
    },
    async (request) => {
      const input = request.body as LogoInput;
      const account = await served(idOf(request));
      const [{ id }, tenant] = [account, home(request, account)];
      const address = await keepLogo(tenant, input, fetchPicture);
      const field = input.scheme === 'dark' ? 'branding.logo_dark_src' : 'logo_src';
      await writeAccount(id, { [field]: address });
      const updated = await accounts.get(root, id);
      await forgetLogos(tenant, updated);
      await request.audit({ tenant: trailOf(updated), type: 'admin.account.updated', subject: id, fields: [field] });
      return wire(updated, may(request.actor));
    },
  );

  serveLogos(app);

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
