/**
 * The device flow as JSON, which a page of the tenant's own uses in place of ours. The browser's session says who decides,
 * so another site must not be able to send these.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { LoginPolicy } from '../../auth/conclude-login.ts';
import { decide, handleOf, lookUpDevice, type Visitor } from '../../auth/device.ts';
import { mfaRequired } from '../../auth/factor-due.ts';
import { clients } from '../../domain/client/client.ts';
import type { DeviceCode } from '../../domain/protocol/device-code.ts';
import { answerOAuthError } from '../../http/errors/oauth.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Browser } from '../../oidc/browser/browser.ts';

const UserCode = Type.String({
  maxLength: 40,
  description: 'As the device shows it; case, spaces and dashes do not matter',
});

/** A page of another origin cannot send JSON without asking first, and says where it is from. */
function checkOrigin({ headers, tenant }: FastifyRequest): void {
  const { origin, 'sec-fetch-site': site } = headers;
  const fromElsewhere = origin === undefined ? site !== undefined && site !== 'same-origin' : origin !== tenant.origin;
  if (fromElsewhere) throw new Fault('forbidden', 'this is for pages of the same origin');
  if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? ''))
    throw new Fault('unsupported_media_type', 'send application/json');
}

export function deviceJson(app: FastifyInstance, browser: Browser, policy: LoginPolicy): void {
  const visitor = async (request: FastifyRequest): Promise<Visitor> => {
    const found = await browser.visitor(request);
    if (!found) throw new Fault('login_required');
    return found;
  };

  app.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => answerOAuthError(request, reply, error));
    scope.addHook('onRequest', async (request) => checkOrigin(request));

    scope.post(
      '/oauth/device/verify',
      {
        config: { access: 'session' },
        schema: {
          operationId: 'oauth/deviceVerify',
          tags: ['oauth'],
          summary: 'Verify a device user_code',
          description:
            'Says which app a user code belongs to, for the page that asks "Allow this device?". `device_code` is what `/oauth/device/authorize` takes; it is good in this session only, and is not the device\'s own code, so that nobody can poll in the device\'s place.',
          body: Type.Object({ user_code: UserCode }, { additionalProperties: false }),
          response: {
            200: Type.Object({
              device_code: Type.String(),
              device_name: Type.Optional(Type.String()),
              client: Type.Object({ name: Type.String(), client_id: Type.String() }),
            }),
          },
        },
      },
      async (request, reply) => {
        const { tenant } = request;
        const who = await visitor(request);
        const row = await lookUpDevice(tenant, who, (request.body as { user_code: string }).user_code);
        const { name } = await clients.get(tenant, row.client);
        reply.header('cache-control', 'no-store');
        return {
          device_code: handleOf(tenant, row, who),
          ...(row.device_name && { device_name: row.device_name }),
          client: { name, client_id: row.client },
        };
      },
    );

    scope.post(
      '/oauth/device/authorize',
      {
        config: { access: 'session' },
        schema: {
          operationId: 'oauth/deviceAuthorize',
          tags: ['oauth'],
          summary: 'Authorize a pending device request',
          description:
            'Lets the device have tokens of the user whose session this is, or with `deny` tells it that it may not.',
          body: Type.Object(
            {
              device_code: Type.String({ maxLength: 200, description: 'What `/oauth/device/verify` answered' }),
              deny: Type.Optional(Type.Boolean({ description: 'True: the user said no' })),
            },
            { additionalProperties: false },
          ),
          response: { 200: Type.Object({ success: Type.Boolean() }) },
        },
      },
      async (request, reply) => {
        const who = await visitor(request);
        const { device_code, deny } = request.body as { device_code: string; deny?: boolean };
        const remember = (row: DeviceCode) => browser.apps.remember(request.tenant, who.user, row);
        const due = await decide(request.tenant, who, device_code, deny ? 'denied' : 'approved', remember, policy);
        if (due) throw mfaRequired(due);
        reply.header('cache-control', 'no-store');
        return { success: true };
      },
    );
  });
}
