/** Teams: groups of users. Who is in one is team-member.ts's, who is asked to join team-invite.ts's. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { slugify } from '../../kernel/text.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, Nullable, type Row } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { mountResource } from '../../resource/routes.ts';
import { isTaken, Name, nullable, Text, WebUrl } from '../fields.ts';
import { lifecycle } from '../trail/events.ts';

const fields = {
  name: Name('Human-readable name of the team.'),
  description: Text('Free-form description of the team.'),
  logo_url: WebUrl("URL of an image used as the team's logo."),
};

export const teams = defineCollection({
  name: 'team',
  title: 'Team',
  tag: { title: 'Teams', description: 'Groups of users with their own members, roles and invitations.' },
  permission: 'teams',
  permissions: { of: 'teams' },
  collection: 'teams',
  row: Type.Object({
    name: fields.name,
    slug: Type.String({ description: 'URL-safe name, unique within the tenant; stays when the team is renamed' }),
    description: Nullable(fields.description),
    logo_url: Nullable(fields.logo_url),
  }),
  defaults: () => ({ description: null, logo_url: null }),
  filter: ['name', 'slug'],
  freeForm: ['metadata'],
  search: ['name', 'slug'],
  unique: [['slug']],
  traced: true,
  events: lifecycle({ created: 'team.created', updated: 'team.updated', deleted: 'team.deleted' }),
});

export type Team = Row<typeof teams.spec.row>;
type TeamInput = Partial<Pick<Team, 'name' | 'description' | 'logo_url' | 'metadata'>>;

/** A slug that is taken gets a number. */
async function createTeam(tenant: Tenant, input: TeamInput): Promise<Team> {
  checkMetadata('/metadata', input.metadata);
  const base = slugify(input.name!) || 'team';
  for (let n = 1; ; n += 1) {
    const slug = n === 1 ? base : `${base}-${n}`;
    if (await teams.exists(tenant, { slug: { $eq: slug } })) continue;
    try {
      return await teams.create(tenant, { ...input, slug });
    } catch (error) {
      if (!isTaken(error, 'slug')) throw error;
    }
  }
}

export function mount(app: FastifyInstance): void {
  const optional = {
    description: nullable(fields.description),
    logo_url: nullable(fields.logo_url),
    metadata: Type.Optional(Metadata),
  };
  mountResource(app, teams, {
    create: { body: Type.Object({ name: fields.name, ...optional }, { additionalProperties: false }), run: createTeam },
    // Not the slug: tokens carry it, and who reads them must not lose a team because it was renamed.
    update: { body: Type.Object({ name: Type.Optional(fields.name), ...optional }, { additionalProperties: false }) },
    remove: true,
  });
}
