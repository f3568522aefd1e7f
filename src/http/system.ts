/** Addresses about the process itself: its version, whether it runs, whether its database answers, what it serves. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { VERSION } from '../version.ts';

const Version = Type.Object({ name: Type.String(), version: Type.String(), commit: Type.String() });
const Status = Type.Object({ status: Type.String() });
const Readiness = Type.Object({
  status: Type.String(),
  mail: Type.String({ description: 'How mails leave: `smtp`, `postmark`, `development`, or `none`' }),
  sms: Type.String({ description: 'How text messages leave: `twilio`, `development`, or `none`' }),
});

/**
 * @param ping throws where the database does not answer.
 * @param leave how mails and text messages do, `none` where they do not.
 */
export function system(app: FastifyInstance, ping: () => Promise<unknown>, leave: { mail: string; sms: string }): void {
  const describe = (operationId: string, summary: string, response: Record<number, Type.TSchema>) => ({
    config: { access: 'public' as const },
    schema: { operationId, tags: ['system'], summary, response },
  });
  app.get(
    '/version',
    describe('getVersion', 'Get the running service version and git commit', { 200: Version }),
    async () => VERSION,
  );
  app.get('/healthz', describe('getHealth', 'Whether the process runs', { 200: Status }), async () => ({
    status: 'ok',
  }));
  app.get('/readyz', describe('getReadiness', 'Whether the database answers', { 200: Readiness }), async () => {
    await ping();
    return { status: 'ok', ...leave };
  });
  app.get('/docs/json', { config: { access: 'public' }, schema: { hide: true } }, async () => app.swagger());
}
