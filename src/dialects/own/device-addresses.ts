/** The short addresses that a device shows to its user. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';

export function deviceAddresses(app: FastifyInstance): void {
  for (const step of ['activate', 'confirm'] as const)
    app.get(
      `/${step}`,
      {
        config: { access: 'public' },
        schema: {
          operationId: step === 'activate' ? 'oauth/deviceActivate' : 'oauth/deviceConfirm',
          tags: ['oauth'],
          summary: step === 'activate' ? 'Device activation redirect' : 'Device confirmation redirect',
          description: 'The address that a device shows; leads to the page.',
          querystring: Type.Object({ user_code: Type.Optional(Type.String({ maxLength: 40 })) }),
          response: { 302: Type.Unsafe({ type: 'null', description: 'To the page' }) },
        },
      },
      async (request, reply) => {
        const search = request.url.split('?', 2)[1];
        return reply.redirect(`/flow/device-code/${step}${search ? `?${search}` : ''}`);
      },
    );
}
