/** Environment → one frozen Config. The only reader of process.env; all faults are reported at once. */

/** A setting that stops the start: one sentence per fault, each saying what to do. */
export class ConfigError extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

type Setting = { name: string; fallback: string; unit?: string; about: string };

/** What the README's table is printed from (scripts/readme.ts). */
export const SETTINGS: readonly Setting[] = [
  {
    name: 'NODE_ENV',
    fallback: 'development',
    about: '`production` turns every development convenience off and checks the settings below.',
  },
  { name: 'PORT', fallback: '4500', about: 'Port to listen on.' },
  { name: 'HOST', fallback: '127.0.0.1', about: 'Address to listen on; `0.0.0.0` in the container image.' },
  {
    name: 'BASE_DOMAIN',
    fallback: 'localhost',
    about: "Tenants are served at `<slug>.<BASE_DOMAIN>`, the installation's own account at `BASE_DOMAIN` itself.",
  },
  {
    name: 'PUBLIC_SCHEME',
    fallback: '`http` in development, `https` in production',
    about: 'Scheme under which people reach the server; part of every issuer.',
  },
  {
    name: 'PUBLIC_PORT',
    fallback: 'the listening port in development, none in production',
    about: "Port under which people reach the server, where it is not the scheme's own.",
  },
  {
    name: 'MONGODB_URL',
    fallback: 'the embedded engine (development only)',
    about: 'MongoDB connection string. Required in production.',
  },
  { name: 'DATA_DIR', fallback: '.data', about: 'Where the embedded engine and generated development secrets live.' },
  {
    name: 'CARDEA_SECRET',
    fallback: 'generated into `DATA_DIR` in development',
    about:
      'Seals client secrets and private keys at rest; 32 characters or more, the same on every replica. Required in production. Losing it loses what it sealed.',
  },
  {
    name: 'OPERATOR_CLIENT_ID',
    fallback: 'generated and printed once',
    about: 'Client id of the operator, who may create accounts.',
  },
  {
    name: 'OPERATOR_CLIENT_SECRET',
    fallback: 'generated and printed once',
    about: "Secret of the operator's client; 32 characters or more in production.",
  },
  { name: 'LOG_LEVEL', fallback: 'info', about: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.' },
  {
    name: 'TRUST_PROXY',
    fallback: 'off',
    about: 'Whose `X-Forwarded-For` to believe: `true`, a number of hops, or addresses and networks, comma-separated.',
  },
  {
    name: 'SEED_DEMO',
    fallback: 'on in development when the database is empty',
    about: 'Creates the demo tenant, user, clients and API.',
  },
  {
    name: 'PASSWORD_HASH',
    fallback: 'bcrypt',
    about: '`bcrypt` or `argon2id`; existing hashes change at the next login.',
  },
];

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export type Config = {
  readonly production: boolean;
  readonly port: number;
  readonly host: string;
  readonly baseDomain: string;
  readonly publicScheme: 'http' | 'https';
  /** null: the scheme's own port; undefined: the port that the request arrived at (development). */
  readonly publicPort: number | null | undefined;
  readonly mongodbUrl: string | undefined;
  readonly dataDir: string;
  readonly secret: string | undefined;
  readonly operator: { readonly id: string; readonly secret: string } | undefined;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly trustProxy: boolean | number | string[];
  readonly seedDemo: boolean | undefined;
  readonly passwordHash: 'bcrypt' | 'argon2id';
};

/** @throws ConfigError naming every setting that is missing, malformed or unsafe. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const get = (name: string) => env[name]?.trim() || undefined;
  const fail = (sentence: string) => void faults.push(sentence);

  const nodeEnv = get('NODE_ENV') ?? 'development';
  if (!['production', 'development', 'test'].includes(nodeEnv))
    fail(`NODE_ENV is "${nodeEnv}"; set it to production, development or test.`);
  const production = nodeEnv === 'production';

  const portOf = (name: string, least: number): number | undefined => {
    const value = get(name);
    if (value === undefined) return undefined;
    if (/^\d{1,5}$/.test(value) && Number(value) >= least && Number(value) <= 65_535) return Number(value);
    fail(`${name} is "${value}"; set it to a port number between ${least} and 65535.`);
    return undefined;
  };
  const oneOf = <T extends string>(name: string, values: readonly T[], fallback: T): T => {
    const value = get(name) ?? fallback;
    if ((values as readonly string[]).includes(value)) return value as T;
    fail(`${name} is "${value}"; set it to one of ${values.join(', ')}.`);
    return fallback;
  };

  const port = portOf('PORT', 0) ?? 4500;
  const baseDomain = (get('BASE_DOMAIN') ?? 'localhost').toLowerCase();
  if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(baseDomain))
    fail(`BASE_DOMAIN is "${baseDomain}"; set it to a host name like auth.example.com, without scheme, port or path.`);
  const publicScheme = oneOf('PUBLIC_SCHEME', ['http', 'https'] as const, production ? 'https' : 'http');
  const publicPort = portOf('PUBLIC_PORT', 1) ?? (production ? null : undefined);

  const mongodbUrl = get('MONGODB_URL');
  if (mongodbUrl && !/^mongodb(\+srv)?:\/\//.test(mongodbUrl))
    fail('MONGODB_URL must start with mongodb:// or mongodb+srv://.');

  const secret = get('CARDEA_SECRET');
  const operatorId = get('OPERATOR_CLIENT_ID');
  const operatorSecret = get('OPERATOR_CLIENT_SECRET');
  if ((operatorId === undefined) !== (operatorSecret === undefined))
    fail('Set OPERATOR_CLIENT_ID and OPERATOR_CLIENT_SECRET together, or neither.');
  if (operatorId && !/^[\w.-]{3,100}$/.test(operatorId))
    fail('OPERATOR_CLIENT_ID may hold letters, digits, "_", "-" and ".", and be 3 to 100 characters long.');

  if (production) {
    if (!mongodbUrl)
      fail('MONGODB_URL is required in production: set it to the connection string of your MongoDB replica set.');
    if (!secret)
      fail(
        'CARDEA_SECRET is required in production: set it to a random value of 32 characters or more, for example from `openssl rand -base64 48`.',
      );
    if (publicScheme !== 'https')
      fail('PUBLIC_SCHEME must be https in production: put a TLS proxy in front and leave it unset.');
    if (baseDomain === 'localhost')
      fail('BASE_DOMAIN is required in production: set it to the domain that your tenants are served under.');
    if (operatorSecret && operatorSecret.length < 32)
      fail('OPERATOR_CLIENT_SECRET must be 32 characters or more in production.');
  }
  if (secret && secret.length < 32) fail('CARDEA_SECRET must be 32 characters or more.');

  const seed = get('SEED_DEMO')?.toLowerCase();
  const seedDemo =
    seed === undefined
      ? undefined
      : ['1', 'true', 'on', 'yes'].includes(seed)
        ? true
        : ['0', 'false', 'off', 'no'].includes(seed)
          ? false
          : fail(`SEED_DEMO is "${seed}"; set it to true or false.`);
  if (production && seedDemo) fail('SEED_DEMO creates a user with a printed password; it cannot be on in production.');

  const trust = get('TRUST_PROXY');
  const trustProxy =
    trust === undefined || /^(false|off|0|no)$/i.test(trust)
      ? false
      : /^(true|on|yes)$/i.test(trust)
        ? true
        : /^\d+$/.test(trust)
          ? Number(trust)
          : trust.split(',').map((part) => part.trim());

  const config: Config = {
    production,
    port,
    host: get('HOST') ?? '127.0.0.1',
    baseDomain,
    publicScheme,
    publicPort,
    mongodbUrl,
    dataDir: get('DATA_DIR') ?? '.data',
    secret,
    operator: operatorId && operatorSecret ? { id: operatorId, secret: operatorSecret } : undefined,
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    trustProxy,
    seedDemo: seedDemo ?? undefined,
    passwordHash: oneOf('PASSWORD_HASH', ['bcrypt', 'argon2id'] as const, 'bcrypt'),
  };
  if (faults.length) throw new ConfigError(faults);
  return Object.freeze(config);
}
