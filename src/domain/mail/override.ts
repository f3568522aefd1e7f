/**
 * Mail templates of a tenant's own, in place of ours for one language each. Whatever is stored was rendered once with
 * every sample of its mails, so that a mistake is told to whoever makes it and not found by whoever waits for a mail.
 */
import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { MINUTE } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { available } from '../../look/words.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, OneOf, type Row } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { mountResource } from '../../resource/routes.ts';
import { limiter } from '../../store/limiter.ts';
import { byEverybody } from '../access/ceiling.ts';
import { MAILS } from '../message/index.ts';
import { composeMail } from './compose.ts';
import { PARTS, type Part, SOURCES, type Source } from './template.ts';

const TEMPLATES = [...new Set(MAILS.map(({ template }) => template))];

const source = {
  subject: Type.String({ minLength: 1, maxLength: 500, description: 'Liquid; one line' }),
  html: Type.String({
    minLength: 1,
    maxLength: 50_000,
    description: 'Liquid; goes into the frame that all mails have',
  }),
  text: Type.String({ minLength: 1, maxLength: 20_000, description: 'Liquid; the same for readers without HTML' }),
} satisfies Record<Part, Type.TSchema>;
const key = {
  template: OneOf(TEMPLATES, 'Which mail'),
  locale: OneOf(available, 'In which language'),
};
const active = Type.Boolean({ description: 'Whether it is used; ours is otherwise' });

export const mailTemplates = defineCollection({
  name: 'mailtemplate',
  title: 'MailTemplate',
  tag: { title: 'Mail templates', description: "Mails in the account's own words." },
  permission: 'mailtemplates',
  permissions: { of: 'mail templates' },
  collection: 'mailtemplates',
  row: Type.Object({ ...key, ...source, active }),
  defaults: () => ({ active: true }),
  filter: ['template', 'locale'],
  freeForm: ['metadata'],
  unique: [['template', 'locale']],
});

type MailTemplate = Row<typeof mailTemplates.spec.row>;

/** The tenant's own template, where it has one in use. */
export async function sourceFor(tenant: Tenant, template: string, locale: string): Promise<Source | undefined> {
  const own = { template: { $eq: template }, locale: { $eq: locale }, active: { $eq: true } };
  return mailTemplates.findOne(tenant, own);
}

/** Rendering what somebody wrote may take most of a second of this process, which is everybody's. */
const renderings = limiter('mail_templates', 300, 10 * MINUTE);

/* ——— samples ——— */

const SAMPLE_ADDRESS = 'ana@example.com';

/** What mails of a template say, by a name for each case. */
const samplesOf = (template: string): [string, Readonly<Record<string, unknown>>][] =>
  MAILS.filter((kind) => kind.template === template).flatMap(({ samples }) =>
    Object.entries(samples as Record<string, Record<string, unknown>>),
  );

const sampleMail = (tenant: Tenant, template: string, locale: string, sample: object, own?: Source) =>
  composeMail(tenant, { template, to: SAMPLE_ADDRESS, data: { ...sample, locale } }, own);

/**
 * @throws Fault `validation` for a template that cannot be rendered, or that leaves out what its reader needs;
 *   `too_many_requests`.
 */
async function checkSource(tenant: Tenant, { template, locale, ...own }: Source & Key): Promise<void> {
  await renderings.spend(tenant.id);
  for (const [name, sample] of samplesOf(template)) {
    const mail = await sampleMail(tenant, template, locale, sample, own);
    if (!mail.subject) refuse('subject', `is empty for the case ${name}`);
    for (const needed of [sample.link, sample.code])
      for (const part of ['html', 'text'] as const)
        if (typeof needed === 'string' && !mail[part].replaceAll(' ', '').includes(needed))
          refuse(part, `must show {{ ${needed === sample.link ? 'link' : 'code'} }} in the case ${name}`);
  }
}

function refuse(part: Part, message: string): never {
  throw new Fault('validation', `/${part} ${message}.`, { details: [{ path: `/${part}`, message }] });
}

/* ——— routes ——— */

type Key = { template: string; locale: string };
const closed = { additionalProperties: false } as const;
const metadata = Type.Optional(Metadata);
const Create = Type.Object({ ...key, ...source, active: Type.Optional(active), metadata }, closed);
const Update = Type.Object(
  {
    subject: Type.Optional(source.subject),
    html: Type.Optional(source.html),
    text: Type.Optional(source.text),
    active: Type.Optional(active),
    metadata,
  },
  closed,
);

async function createTemplate(tenant: Tenant, input: Static<typeof Create>): Promise<MailTemplate> {
  checkMetadata('/metadata', input.metadata);
  await checkSource(tenant, input as Source & Key);
  return mailTemplates.create(tenant, input);
}

async function updateTemplate(tenant: Tenant, id: string, patch: Static<typeof Update>): Promise<MailTemplate> {
  checkMetadata('/metadata', patch.metadata);
  const current = await mailTemplates.get(tenant, id);
  await checkSource(tenant, { ...current, ...patch });
  return mailTemplates.update(tenant, id, patch);
}

const Rendered = Type.Object({
  subject: Type.String(),
  html: Type.String({ description: 'A whole document' }),
  text: Type.String(),
});

export function mount(app: FastifyInstance): void {
  const route = (verb: string, operationId: string, summary: string, description: string) => ({
    config: { access: { permission: `${verb}:mailtemplates` } },
    schema: { operationId, tags: ['mailtemplate'], summary, description, security: [{ bearerAuth: [] }] },
  });

  const defaults = route(
    'read',
    'mailtemplate/defaults',
    'List the built-in mail templates',
    'What each mail is made from without a template of your own: a start to change. `words` looks a sentence up in the language files; `variables` are those that the template may use.',
  );
  app.get(
    '/mailtemplate/defaults',
    {
      ...defaults,
      schema: {
        ...defaults.schema,
        response: {
          200: Type.Object({
            results: Type.Array(
              Type.Object({
                ...key,
                locale: Type.Optional(key.locale),
                ...source,
                cases: Type.Array(Type.String()),
                variables: Type.Array(Type.String()),
              }),
            ),
          }),
        },
      },
    },
    async () => ({
      results: TEMPLATES.map((template) => ({
        template,
        ...SOURCES[template]!,
        cases: samplesOf(template).map(([name]) => name),
        variables: [...new Set([...samplesOf(template).flatMap(([, sample]) => Object.keys(sample)), ...EVERYWHERE])],
      })),
    }),
  );

  const preview = route(
    'read',
    'mailtemplate/preview',
    'Preview a mail',
    'Renders a mail with a sample of what it says: your parts, and the built-in ones for those that you leave out. Nothing is stored or sent.',
  );
  app.post(
    '/mailtemplate/preview',
    {
      ...preview,
      schema: {
        ...preview.schema,
        body: Type.Object(
          {
            ...key,
            case: Type.Optional(
              Type.String({ maxLength: 50, description: 'One of its `cases`; the first by default' }),
            ),
            ...Object.fromEntries(PARTS.map((part) => [part, Type.Optional(source[part])])),
          },
          closed,
        ),
        response: { 200: Rendered },
      },
    },
    async (request) => {
      const { template, locale, case: wanted, ...own } = request.body as Key & { case?: string } & Partial<Source>;
      await renderings.spend(request.tenant.id);
      const samples = samplesOf(template);
      const sample = wanted === undefined ? samples[0] : samples.find(([name]) => name === wanted);
      if (!sample)
        throw new Fault('validation', `/case must be one of ${samples.map(([name]) => name).join(', ')}.`, {
          details: [{ path: '/case', message: 'is none of the cases of this template' }],
        });
      const { subject, html, text } = await sampleMail(request.tenant, template, locale, sample[1], {
        ...SOURCES[template]!,
        ...own,
      });
      return { subject, html, text };
    },
  );

  mountResource(app, mailTemplates, {
    // A picture whose address has the link in it tells a stranger the login of whoever opens the mail.
    create: { body: Create, run: createTemplate, gives: byEverybody },
    update: { body: Update, run: updateTemplate, gives: byEverybody },
    remove: true,
  });
}

/** What every mail may use. */
const EVERYWHERE = ['tenant', 'app', 'to', 'locale', 'dir', 'duration', 'logo', 'terms', 'privacy', 'light', 'dark'];
