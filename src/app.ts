/** Composition root: the one file that knows every room. */
import type { FastifyInstance, RouteOptions } from 'fastify';
import type { Logger } from 'pino';
import { useTurnstile } from './auth/challenge.ts';
import { clientOfDocument } from './auth/client-document.ts';
import { type FactorDue, nothingDue } from './auth/factor-due.ts';
import { closeMachineLogins, recordMachineLogin } from './auth/machine-login.ts';
import type { Config } from './config.ts';
import { publishedFetch } from './connections/published-fetch.ts';
import { safeFetch, safePost } from './connections/safe-fetch.ts';
import { channels } from './delivery/channels/index.ts';
import { mailTransport } from './delivery/mail/index.ts';
import { smsTransport } from './delivery/sms/index.ts';
import { type Worker, worker } from './delivery/worker.ts';
import { ownDialect } from './dialects/own/index.ts';
import { mountResources } from './domain/index.ts';
import { useBreachedRange } from './domain/user/breached-password.ts';
import { failurePages, renderFault } from './flows/error/fault.ts';
import { flows } from './flows/index.ts';
import { formPostPage } from './flows/login/form-post-page.ts';
import { responsePage } from './flows/login/response.ts';
import { assets, assetUrl, preferredEncoding } from './flows/shell/assets.ts';
import { pageCommon } from './flows/shell/context.ts';
import { render } from './flows/shell/render.ts';
import { openapi } from './http/docs/openapi.ts';
import { reference } from './http/docs/reference.ts';
import { answerAsPage } from './http/errors/answer.ts';
import { answerOAuthError } from './http/errors/oauth.ts';
import { hooks } from './http/hooks.ts';
import { patchUpdates } from './http/methods.ts';
import { protectedResource } from './http/protected-resource.ts';
import { server } from './http/server.ts';
import { system } from './http/system.ts';
import { asRoot } from './kernel/context.ts';
import { useHashing } from './kernel/secret/password.ts';
import { SURFACES, themeCss } from './look/theme.ts';
import { browser } from './oidc/browser/browser.ts';
import { interactions } from './oidc/browser/interactions.ts';
import { PLAYGROUND } from './oidc/client/client-metadata.ts';
import { providers } from './oidc/engine/providers.ts';
import type { OnShortAnswer } from './oidc/short/index.ts';
import { openAccessToken } from './oidc/token/access-token.ts';
import { mintLogoutToken } from './oidc/token/logout-token.ts';
import { managementPermissions } from './oidc/token/scope-now.ts';
import { bridge } from './oidc/wire/bridge.ts';
import { engineAnswers } from './oidc/wire/engine-answers.ts';
import { registration } from './oidc/wire/registration.ts';
import { serveWithout } from './outbox/outbox.ts';
import { watchChanges } from './store/changes.ts';
import { isUnavailable, type Store } from './store/connect.ts';
import { VERSION } from './version.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** What sends the outbox. Started by main.ts, stopped with the app. */
    outbox: Worker;
  }
}

export type AppOptions = {
  config: Config;
  store: Pick<Store, 'healthy' | 'ping'>;
  operator: { id: string; secret: string };
  log: Logger;
  /** True when the demo tenant was seeded, so that the landing page can say where its credentials are. */
  demo?: () => boolean;
  /** What logins lack; nothing without it. */
  factorDue?: FactorDue;
  /** For tests of something else than passwords. */
  bcryptCost?: number;
  /** Sees every route as it is registered: what a review of the whole surface starts from. */
  onRoute?: (route: RouteOptions) => void;
  /** Sees what is about to be answered without the engine. */
  onShortAnswer?: OnShortAnswer;
  /** What is done about a machine's login. */
  onMachineLogin?: typeof recordMachineLogin;
};

export async function buildApp({ config, store, operator, log, ...options }: AppOptions): Promise<FastifyInstance> {
  const { production } = config;
  useHashing(config, options.bcryptCost);
  useTurnstile(config.turnstileUrl);
  useBreachedRange(
    config.breachedPasswordsUrl === undefined
      ? undefined
      : {
          url: config.breachedPasswordsUrl,
          ask: async (address) => String(await safeFetch(address, { production, timeoutSeconds: 2 })),
          onError: (err) => log.warn({ err }, 'BREACHED_PASSWORDS_URL was asked in vain: a password was taken unasked'),
        },
  );
  const policy = { factorDue: options.factorDue ?? nothingDue };
  const app = await server(config, { log, renderFault, onRoute: options.onRoute });
  await openapi(app, VERSION.version);
  hooks(app, config, {
    log,
    tokens: { openToken: openAccessToken as never, permissionsOf: managementPermissions(operator.id) },
  });
  await app.register(assets);

  const fetchPublished = publishedFetch({ production });
  const answers = engineAnswers({
    failurePage: failurePages({ development: !production }),
    responsePage,
    isUnavailable,
  });
  const providerFor = providers(
    {
      ...policy,
      playground: !production,
      production,
      operatorClientId: operator.id,
      operatorClientSecret: operator.secret,
      fetch: fetchPublished,
      onMachineLogin: options.onMachineLogin ?? recordMachineLogin,
      ...answers,
    },
    answers.onServerError,
  );
  const transport = config.mail && mailTransport(config.mail);
  const texts = config.sms && smsTransport(config.sms);
  serveWithout([...(transport ? [] : ['mail']), ...(texts ? [] : ['sms'])]);
  const outbox = worker(
    channels({
      ...(transport && { mail: { transport, from: config.mail!.from } }),
      ...(texts && { sms: texts }),
      readClient: (tenant, address) => clientOfDocument(tenant, address, { fetch: fetchPublished, production, ip: '' }),
      mintLogoutToken: (...about) => mintLogoutToken(providerFor, ...about),
      post: (address, posted) => safePost(address, posted, { production, timeoutSeconds: 5 }),
    }),
    (err, what) => log.warn({ err }, what),
  );
  app.decorate('outbox', outbox);
  app.addHook(
    'onClose',
    watchChanges((err) => log.warn({ err }, 'changes of other instances are seen late')),
  );
  app.addHook('onClose', async () => {
    await outbox.stop();
    await transport?.close?.();
    await closeMachineLogins(true);
  });

  const pages = browser(providerFor);
  const steps = interactions(providerFor);
  bridge(app, {
    providerFor,
    answerError: answerOAuthError,
    answerPageError: answerAsPage(renderFault),
    shortWays: config.shortWays,
    onShortAnswer: options.onShortAnswer,
  });
  registration(app, answerOAuthError);
  app.register(async (scope) => {
    const { baseDomain, importBytes, postmarkWebhookSecret } = config;
    patchUpdates(scope);
    const fetchPicture = (address: string, maxBytes: number) => safeFetch(address, { production, maxBytes });
    mountResources(scope, { root: asRoot(), baseDomain, importBytes, postmarkWebhookSecret, fetchPicture });
    system(scope, () => store.ping(), { mail: config.mail?.by ?? 'none', sms: config.sms?.by ?? 'none' });
    await protectedResource(scope);
    await ownDialect(scope, pages, {
      policy,
      localeOf: (request, uiLocales) => pageCommon(request, uiLocales).locale,
      formPage: (request, form) => render(formPostPage, { ...pageCommon(request), locales: [], ...form }),
    });
  });
  app.register(async (scope) => {
    await flows(scope, {
      interactions: steps,
      browser: pages,
      providerFor,
      policy,
      development: !production,
      demo: options.demo ?? (() => false),
      playgroundClient: PLAYGROUND,
    });
    reference(scope, { assetUrl, preferredEncoding, themeCss, surfaces: SURFACES });
  });
  return app;
}
