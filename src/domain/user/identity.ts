/** Identities: which account at a provider is which user, with the provider's tokens. Signing in by one is connections/'s. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { inSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, Nullable, type Row, Timestamp } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { createRow, missingReference } from '../../resource/references.ts';
import { mountResource } from '../../resource/routes.ts';
import { byUser } from '../access/ceiling.ts';
import { Reference } from '../fields.ts';
import { vouchFor } from '../link/vouching.ts';

const SEE_TOKENS = 'read:identity_tokens';
/** A token that expires sooner than this is of no use to whoever asks for it. */
const LEEWAY_SECONDS = 60;

const Token = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 16_384, description }));
const fields = {
  connection: Reference('Connection', 'Connection; inlined with `?expand=connection`'),
  user: Reference('User', 'User; inlined with `?expand=user`'),
  identity_id: Type.String({ minLength: 1, maxLength: 500, description: "The user's id at the provider" }),
  access_token: Token("The provider's access token; masked without the permission read:identity_tokens"),
  access_token_secret: Token("The provider's token secret (OAuth 1); masked likewise"),
  refresh_token: Token("The provider's refresh token; masked likewise"),
  access_token_expires_at: Type.Optional(Timestamp('When the access token expires; absent when it does not')),
  profile_data: Nullable(Type.Unknown({ description: 'What the provider says of the user' })),
};

export const identities = defineCollection({
  name: 'identity',
  title: 'Identity',
  tag: { title: 'Identities', description: 'Links between a user and an account at a provider.' },
  permission: 'identities',
  permissions: {
    of: 'identities at providers',
    verbs: ['read', 'create', 'delete'],
    more: { [SEE_TOKENS]: "See providers' tokens" },
  },
  collection: 'identities',
  row: Type.Object(fields),
  notYet: [{ what: 'Identities', says: 'The link is kept with its tokens; nobody logs in by it yet.' }],
  sealed: { access_token: SEE_TOKENS, access_token_secret: SEE_TOKENS, refresh_token: SEE_TOKENS },
  defaults: () => ({}),
  filter: ['user', 'connection', 'identity_id'],
  freeForm: ['metadata'],
  unique: [['connection', 'identity_id']],
  references: {
    user: { to: 'user', gone: 'remove', expand: true },
    connection: { to: 'connection', gone: 'remove', expand: true },
  },
});

export type Identity = Row<typeof identities.spec.row>;
type IdentityInput = Omit<Identity, 'id' | 'createdAt' | 'updatedAt'>;

/** @throws Fault `conflict` when the account at the provider is linked already. */
async function createIdentity(tenant: Tenant, { account, ...input }: IdentityInput): Promise<Identity> {
  // Providers name claims by URL, hence with dots.
  checkMetadata('/profile_data', input.profile_data as Record<string, unknown>, { dots: true, kilobytes: 64 });
  if (account !== tenant.id) missingReference('account', account);
  return createRow(identities, tenant, input);
}

/** By an administrator, who vouches for it. */
async function setUp(tenant: Tenant, input: IdentityInput) {
  const identity = await createIdentity(tenant, input);
  await vouchFor(tenant, identity.user, 'identities', identity.id);
  return identity;
}

type ProviderToken = { access_token: string; access_token_expires_at?: Date; refreshed: boolean };

/**
 * The stored token while it is good. TODO: with federation, one that is about to expire, or that `fresh` asks for, is
 * refreshed first where there is a refresh token.
 * @throws Fault `provider_token_expired` (400): the user has to authorize again.
 */
async function providerToken(tenant: Tenant, id: string): Promise<ProviderToken> {
  const identity = await identities.get(tenant, id);
  const access_token = identities.reveal(identity, 'access_token');
  if (access_token === null)
    throw new Fault('provider_token_expired', 'The provider has given no token for this identity.');
  const { access_token_expires_at } = identity;
  if (access_token_expires_at && access_token_expires_at <= inSeconds(LEEWAY_SECONDS))
    throw new Fault('provider_token_expired');
  return { access_token, ...(access_token_expires_at && { access_token_expires_at }), refreshed: false };
}

export function mount(app: FastifyInstance): void {
  mountResource(app, identities, {
    create: {
      body: Type.Object(
        {
          account: Type.String({ maxLength: 100, description: 'The account that the call is about' }),
          ...fields,
          metadata: Type.Optional(Metadata),
        },
        { additionalProperties: false },
      ),
      run: setUp,
      gives: (tenant, { user }: IdentityInput) => byUser(tenant, user),
    },
    remove: true,
  });

  app.get(
    '/identity/:identity_id/provider-token',
    {
      config: { access: { permission: SEE_TOKENS } },
      schema: {
        operationId: 'identity/getProviderToken',
        tags: ['identity'],
        summary: 'Get a guaranteed-valid provider access_token',
        description:
          "The provider's access token, or 400 (`provider_token_expired`) when the user has to authorize again.",
        security: [{ bearerAuth: [] }],
        params: Type.Object({ identity_id: Type.String({ maxLength: 100 }) }),
        querystring: Type.Object(
          {
            fresh: Type.Optional(
              Type.Boolean({
                description: 'Refresh the token even when the stored one still looks valid, if it can be.',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Object({
            access_token: Type.String(),
            access_token_expires_at: Type.Optional(Timestamp()),
            refreshed: Type.Boolean({ description: 'Whether it was refreshed by this call' }),
          }),
        },
      },
    },
    async (request, reply) => {
      const { identity_id } = request.params as { identity_id: string };
      reply.header('cache-control', 'no-store');
      return providerToken(request.tenant, identity_id);
    },
  );
}
