/** The management API of custom domains. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { Metadata } from '../../resource/define.ts';
import { present } from '../../resource/presentation.ts';
import { mountResource } from '../../resource/routes.ts';
import { byEverybody } from '../access/ceiling.ts';
import { Text } from '../fields.ts';
import { createCustomDomain, customDomains, retryCustomDomain } from './custom-domain.ts';

export function mount(app: FastifyInstance, { baseDomain }: { baseDomain: string }): void {
  mountResource(app, customDomains, {
    create: {
      body: Type.Object(
        { domain: Text('Host name, e.g. `auth.example.com`', 300), metadata: Type.Optional(Metadata) },
        { additionalProperties: false },
      ),
      run: (tenant, input) => createCustomDomain(tenant, input, baseDomain),
      // Whose DNS it is may have it lead elsewhere, with the passwords that people type there and the links that they follow.
      gives: byEverybody,
    },
    remove: true,
  });
  app.post(
    '/customdomain/:customdomain_id/retry',
    {
      config: {
        access: { permission: 'update:customdomains', gives: ({ tenant }) => byEverybody(tenant) },
        notYet: customDomains.spec.notYet,
      },
      schema: {
        operationId: 'customdomain/retry',
        tags: ['customdomain'],
        summary: 'Retry manual domain verification',
        description: 'Has a domain that is not ACTIVE checked again, at most once a minute.',
        security: [{ bearerAuth: [] }],
        params: Type.Object({ customdomain_id: Type.String({ maxLength: 100 }) }),
        response: { 200: Type.Ref('Customdomain') },
      },
    },
    async (request) => {
      const { customdomain_id } = request.params as { customdomain_id: string };
      const retried = await retryCustomDomain(request.tenant, customdomain_id);
      await request.audit({ type: 'admin.customdomain.retried', subject: customdomain_id });
      return (await present(request, customDomains, [retried]))[0];
    },
  );
}
