/** Reads the configuration, opens the store, builds the app, listens; drains and ends on SIGTERM and SIGINT. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import { buildApp } from './app.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { resumeAccounts } from './domain/account/account-provisioning.ts';
import { installedOperator, type Operator } from './domain/account/installation.ts';
import { secretParameters } from './domain/client/grant-type.ts';
import { DATA_STEPS } from './domain/data-steps.ts';
import { originOf } from './http/tenant.ts';
import { startJobs } from './jobs/clock.ts';
import { JOBS } from './jobs/index.ts';
import { asRoot } from './kernel/context.ts';
import { open } from './open.ts';
import { type Demo, keptDemo, seedRoot } from './seed.ts';
import { migrate, takeDataSteps } from './store/migrate.ts';

/** After which starting is over: the database's pool is filled, the first page was looked at. */
const SETTLE_MS = 1_000;

/** How long requests in flight may take to finish once the process is asked to stop. */
const DRAIN_SECONDS = 8;

function greet(origin: string, config: Config, demo: Demo | undefined, operator: Operator | undefined): void {
  const lines = ['', `  Cardea is ready at ${origin}`];
  if (!config.production) lines.push(`  Playground        ${origin}/playground`, `  API reference     ${origin}/docs`);
  if (demo) {
    lines.push(
      '',
      `  Demo user         ${demo.user.email}`,
      `  Password          ${demo.user.password}`,
      `  Web client        ${demo.web_client.client_id}`,
      `  Machine client    ${demo.machine_client.client_id}`,
      `  Their secrets     ${config.dataDir}/demo.json`,
    );
  }
  if (operator) {
    lines.push(
      '',
      `  Operator client   ${operator.id}`,
      `  Operator secret   ${operator.secret}`,
      '  (printed this once)',
    );
  }
  process.stdout.write(`${lines.join('\n')}\n\n`);
}

/** For who waits before there is anything to see. */
const tell = (sentence: string): void => void process.stdout.write(`  ${sentence}\n`);

/** What of listening can be helped by a setting, by the system's name for it. */
const DEAF: Record<string, (config: Config) => string> = {
  EADDRINUSE: ({ port }) => `port ${port} is in use. End what listens there, or set PORT to another one.`,
  EACCES: ({ port }) => `this user may not listen on port ${port}. Set PORT to one above 1023.`,
  EADDRNOTAVAIL: ({ host }) => `this machine has no address ${host}. Set HOST to one that it has.`,
  ENOTFOUND: ({ host }) => `nobody knows the host ${host}. Set HOST to an address of this machine.`,
};

function cannotListen(error: unknown, config: Config): unknown {
  const sentence = DEAF[(error as { code?: string }).code ?? '']?.(config);
  return sentence ? new Error(sentence, { cause: error }) : error;
}

/**
 * Starting leaves garbage and code behind that is run once: a sixth of the process, which V8 keeps as long as nothing
 * presses. One collection of everything, a tenth of a second before there is much to answer, gives it back.
 */
function dropWhatStartingNeeded(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  setTimeout(() => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }), SETTLE_MS).unref();
}

async function start(): Promise<void> {
  const config = readConfig(process.env);
  const log = pino({
    level: config.logLevel,
    redact: {
      paths: ['req.headers', 'headers', ...[...secretParameters('lasting')].map((name) => `*.${name}`)],
      censor: '[redacted]',
    },
  });
  const store = await open(config, log, tell);
  await migrate(store);
  const brought = (did: object, step: string) =>
    log.warn({ step, ...did }, 'rows of an earlier release were brought up to date');
  const [before, meanwhile] = [false, true].map((late) =>
    DATA_STEPS.filter((step) => late === (step.whileServing ?? false)),
  );
  await takeDataSteps(before!, brought);
  await resumeAccounts();

  const { operator, fresh } = config.operator ? { operator: config.operator, fresh: false } : await installedOperator();
  let demo: Demo | undefined;
  const app = await buildApp({ config, store, operator, log, demo: () => demo !== undefined });
  const stopJobs = startJobs(JOBS, (err, name) => log.warn({ err }, `${name} failed`));

  let stopping: Promise<void> | undefined;
  const stop = (signal: string) => {
    stopping ??= (async () => {
      log.info({ signal }, 'stopping');
      const forced = setTimeout(() => {
        log.warn('requests did not finish in time');
        app.server.closeAllConnections();
      }, DRAIN_SECONDS * 1000);
      stopJobs();
      await app.close();
      clearTimeout(forced);
      await store.close();
      log.info('stopped');
    })();
    stopping.then(
      () => process.exit(0),
      (err) => {
        log.error({ err }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  const { baseDomain, dataDir } = config;
  // In a folder where a development server ran, production has nothing of its demo.
  const withDemo = config.seedDemo ?? !config.production;
  // Before anybody is answered: who is let in finds an account to be let in to.
  demo = await seedRoot(asRoot(), {
    demo: withDemo,
    origin: originOf(config, baseDomain, config.port),
    dataDir,
  });
  if (!config.mail)
    log.warn('no mail transport is set up: what would send a mail answers 503; set SMTP_URL or POSTMARK_TOKEN');
  if (!config.sms) log.info('no SMS transport is set up: text messages cannot leave; set TWILIO_ACCOUNT_SID');
  app.outbox.start();
  await app.listen({ port: config.port, host: config.host }).catch((error: unknown) => {
    throw cannotListen(error, config);
  });
  const address = app.server.address();
  const origin = originOf(config, baseDomain, typeof address === 'object' ? address?.port : undefined);
  // The port may be one that the system chose.
  if (withDemo) demo = await keptDemo(dataDir, origin);
  greet(origin, config, demo, fresh ? operator : undefined);
  dropWhatStartingNeeded();
  takeDataSteps(meanwhile!, brought).catch((err) =>
    log.warn({ err }, 'rows of an earlier release are left for the next start'),
  );
}

start().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ConfigError)
    process.stderr.write(`Cardea cannot start:\n${error.faults.map((fault) => `  - ${fault}`).join('\n')}\n`);
  else
    process.stderr.write(
      `Cardea cannot start: ${message}\n${process.env.LOG_LEVEL === 'debug' && error instanceof Error ? `${error.stack}\n` : ''}`,
    );
  process.exit(1);
});
