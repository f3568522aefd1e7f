/**
 * Environment → one frozen Config. A setting is one record of SETTINGS: its name, what it does, its default and how it is
 * read; the type of the Config, the table of the documentation and .env.example come from the records. The only reader
 * of process.env; all faults are reported at once.
 */
import { hostName } from './kernel/text/host.ts';
import {
  isNetwork,
  OFF,
  ON,
  oneOf,
  type Reading,
  readPort,
  readSwitch,
  readWeb,
  type Setting,
  secretsOf,
  setting,
} from './setting.ts';

/** A setting that stops the start: one sentence per fault, each saying what to do. */
export class ConfigError extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** In the order in which they are documented and read. */
export const SETTINGS = {
  production: setting({
    name: 'NODE_ENV',
    fallback: 'development',
    about: '`production` turns every development convenience off and checks the settings below.',
    example: 'production',
    read(text = 'development', { refuse }): boolean {
      if (!['production', 'development', 'test'].includes(text))
        refuse(`NODE_ENV is "${text}"; set it to production, development or test.`);
      return text === 'production';
    },
  }),
  port: setting({
    name: 'PORT',
    fallback: '4500',
    about: 'Port to listen on.',
    example: '4500',
    read: (text, reading): number => readPort('PORT', 0, text, reading) ?? 4500,
  }),
  host: setting({
    name: 'HOST',
    fallback: '127.0.0.1',
    about: 'Address to listen on; `0.0.0.0` in the container image.',
    example: '0.0.0.0',
    read: (text = '127.0.0.1'): string => text,
  }),
  baseDomain: setting({
    name: 'BASE_DOMAIN',
    fallback: 'localhost',
    about: "Tenants are served at `<slug>.<BASE_DOMAIN>`, the installation's own account at `BASE_DOMAIN` itself.",
    example: 'auth.example.com',
    read(text = 'localhost', { production, refuse }): string {
      const domain = hostName.canonical(text);
      if (domain === undefined)
        return (
          refuse(
            `BASE_DOMAIN is "${text}"; set it to a host name like auth.example.com, without scheme, port or path.`,
          ) ?? text
        );
      if (production && domain === 'localhost')
        refuse('BASE_DOMAIN is required in production: set it to the domain that your tenants are served under.');
      return domain;
    },
  }),
  publicScheme: setting({
    name: 'PUBLIC_SCHEME',
    fallback: '`http` in development, `https` in production',
    about: 'Scheme under which people reach the server; part of every issuer.',
    example: 'https',
    read(text, reading): 'http' | 'https' {
      const scheme = oneOf(
        'PUBLIC_SCHEME',
        ['http', 'https'],
        text ?? (reading.production ? 'https' : 'http'),
        reading,
      );
      if (reading.production && scheme !== 'https')
        reading.refuse('PUBLIC_SCHEME must be https in production: put a TLS proxy in front and leave it unset.');
      return scheme;
    },
  }),
  publicPort: setting({
    name: 'PUBLIC_PORT',
    fallback: 'the listening port in development, none in production',
    about: "Port under which people reach the server, where it is not the scheme's own.",
    example: '443',
    /** null: the scheme's own port; undefined: the port that the request arrived at (development). */
    read: (text, reading): number | null | undefined =>
      readPort('PUBLIC_PORT', 1, text, reading) ?? (reading.production ? null : undefined),
  }),
  mongodbUrl: setting({
    name: 'MONGODB_URL',
    fallback: 'the embedded engine (development only)',
    about: 'MongoDB connection string. Required in production.',
    example: 'mongodb://cardea:password@db1.example.com,db2.example.com,db3.example.com/cardea?replicaSet=rs0&tls=true',
    read(text, { production, refuse }): string | undefined {
      if (text && !/^mongodb(\+srv)?:\/\//.test(text))
        refuse('MONGODB_URL must start with mongodb:// or mongodb+srv://.');
      if (!text && production)
        refuse('MONGODB_URL is required in production: set it to the connection string of your MongoDB replica set.');
      return text;
    },
  }),
  dataDir: setting({
    name: 'DATA_DIR',
    fallback: '.data',
    about: 'Where the embedded engine and generated development secrets live.',
    example: '.data',
    read: (text = '.data'): string => text,
  }),
  secret: setting({
    name: 'CARDEA_SECRET',
    fallback: 'generated into `DATA_DIR` in development',
    about:
      'Seals client secrets and private keys at rest; 32 characters or more, the same on every replica. Required in production. Losing it loses what it sealed.',
    example: '',
    read(text, { production, refuse }): string | undefined {
      if (!text && production)
        refuse(
          'CARDEA_SECRET is required in production: set it to a random value of 32 characters or more, for example from `openssl rand -base64 48`.',
        );
      if (text && text.length < 32) refuse('CARDEA_SECRET must be 32 characters or more.');
      return text;
    },
  }),
  otherSecrets: setting({
    name: 'CARDEA_OTHER_SECRETS',
    fallback: 'none',
    about:
      'While `CARDEA_SECRET` is changed: the former one, or the next, of which things are read besides. Several as a JSON array.',
    example: '',
    read(text, { refuse }): readonly string[] {
      const secrets = text === undefined ? [] : secretsOf(text);
      if (!secrets)
        return (
          refuse(
            'CARDEA_OTHER_SECRETS begins with "[" and is no JSON array of strings; set it to one, or to a secret.',
          ) ?? []
        );
      if (secrets.some((secret) => secret.length < 32))
        refuse('CARDEA_OTHER_SECRETS: every secret has 32 characters or more.');
      return secrets;
    },
  }),
  operatorId: setting({
    name: 'OPERATOR_CLIENT_ID',
    fallback: 'generated and printed once',
    about: 'Client id of the operator, who may create accounts.',
    example: 'operator',
    read(text, { refuse }): string | undefined {
      if (text && !/^[\w.-]{3,100}$/.test(text))
        refuse('OPERATOR_CLIENT_ID may hold letters, digits, "_", "-" and ".", and be 3 to 100 characters long.');
      return text;
    },
  }),
  operatorSecret: setting({
    name: 'OPERATOR_CLIENT_SECRET',
    fallback: 'generated and printed once',
    about: "Secret of the operator's client; 32 characters or more in production.",
    example: '',
    read(text, { production, refuse }): string | undefined {
      if (production && text && text.length < 32)
        refuse('OPERATOR_CLIENT_SECRET must be 32 characters or more in production.');
      return text;
    },
  }),
  logLevel: setting({
    name: 'LOG_LEVEL',
    fallback: 'info',
    about: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.',
    example: 'info',
    read: (text = 'info', reading) =>
      oneOf('LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], text, reading),
  }),
  trustProxy: setting({
    name: 'TRUST_PROXY',
    fallback: 'off',
    about: 'Whose `X-Forwarded-For` to believe: `true`, a number of hops, or addresses and networks, comma-separated.',
    example: '1',
    read(text, { refuse }): boolean | number | string[] {
      const word = text?.toLowerCase();
      if (word === undefined || OFF.includes(word)) return false;
      if (/^[1-9]\d?$/.test(word)) return Number(word);
      if (ON.includes(word)) return true;
      const parts = word.split(',').map((part) => part.trim());
      const wrong = parts.find((part) => !isNetwork(part));
      if (wrong !== undefined)
        refuse(
          `TRUST_PROXY has "${wrong}"; set it to true, to a number of hops from 1 to 99, or to addresses, networks like 10.0.0.0/8, loopback, linklocal or uniquelocal.`,
        );
      return parts;
    },
  }),
  importBytes: setting({
    name: 'IMPORT_MAX_BYTES',
    fallback: '268435456',
    about: 'How many bytes one import of users may have; a line of it has 64 KB at most.',
    example: '268435456',
    read(text = '268435456', { refuse }): number {
      if (!/^[1-9]\d{3,11}$/.test(text))
        refuse(`IMPORT_MAX_BYTES is "${text}"; set it to a number of bytes, 1000 or more.`);
      return Number(text);
    },
  }),
  mailFrom: setting({
    name: 'MAIL_FROM',
    fallback: '`no-reply@localhost` in development',
    about: "Address that mails come from; the name beside it is the tenant's. Required where mails leave.",
    example: 'no-reply@example.com',
    read(text, { refuse }): string | undefined {
      if (text && !/^[\w.+-]+@[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text))
        refuse(`MAIL_FROM is "${text}"; set it to an address like no-reply@example.com, without a name.`);
      return text;
    },
  }),
  smtpUrl: setting({
    name: 'SMTP_URL',
    fallback: 'none',
    about:
      'Mail server, as `smtp://user:password@host:587`, or `smtps://` where the connection begins encrypted. Beyond this machine it has to offer TLS with a certificate that can be verified.',
    example: 'smtp://cardea:password@smtp.example.com:587',
    read(text, { refuse }): string | undefined {
      const url = text === undefined ? undefined : URL.parse(text);
      if (text !== undefined && !(url?.hostname && ['smtp:', 'smtps:'].includes(url.protocol) && !url.search))
        refuse('SMTP_URL must look like smtp://user:password@host:587 or smtps://user:password@host:465.');
      return text;
    },
  }),
  postmarkToken: setting({
    name: 'POSTMARK_TOKEN',
    fallback: 'none',
    about: 'Server token of Postmark, where mails leave by its API instead of SMTP.',
    example: '',
    read: (text): string | undefined => text,
  }),
  postmarkStream: setting({
    name: 'POSTMARK_STREAM',
    fallback: '`outbound`',
    about: 'Message stream of Postmark that mails leave by.',
    example: 'outbound',
    read: (text = 'outbound'): string => text,
  }),
  postmarkUrl: setting({
    name: 'POSTMARK_URL',
    fallback: '`https://api.postmarkapp.com`',
    about: "Address of Postmark's API, for a stand-in or a gateway.",
    example: 'https://api.postmarkapp.com',
    read: (text = 'https://api.postmarkapp.com', reading): string => readWeb('POSTMARK_URL', text, reading),
  }),
  postmarkWebhookSecret: setting({
    name: 'POSTMARK_WEBHOOK_SECRET',
    fallback: 'none: bounces are not heard of',
    about:
      'Password of the webhook that Postmark tells of bounces and complaints: `https://postmark:<secret>@<BASE_DOMAIN>/webhooks/postmark`.',
    example: '',
    read(text, { refuse }): string | undefined {
      if (text && text.length < 16) refuse('POSTMARK_WEBHOOK_SECRET must be 16 characters or more.');
      return text;
    },
  }),
  smsFrom: setting({
    name: 'SMS_FROM',
    fallback: 'none',
    about:
      'What text messages come from: a number as `+34600123456`, a short code, a name of up to 11 letters, or a messaging service of Twilio, `MG…`. Required where they leave.',
    example: '+34600123456',
    read(text, { refuse }): string | undefined {
      if (text && !/^(\+[1-9]\d{6,14}|\d{3,8}|MG[0-9a-f]{32}|[a-z0-9][a-z0-9 _-]{0,10})$/i.test(text))
        refuse('SMS_FROM must be a number like +34600123456, a short code, a name of up to 11 letters, or MG….');
      return text;
    },
  }),
  twilioAccountSid: setting({
    name: 'TWILIO_ACCOUNT_SID',
    fallback: 'none',
    about: 'Account at Twilio, `AC…`, by whose API text messages leave.',
    example: '',
    read(text, { refuse }): string | undefined {
      if (text && !/^AC[0-9a-f]{32}$/i.test(text)) refuse('TWILIO_ACCOUNT_SID must be AC and 32 hexadecimal digits.');
      return text;
    },
  }),
  twilioApiKey: setting({
    name: 'TWILIO_API_KEY',
    fallback: "none: `TWILIO_AUTH_TOKEN` is the account's",
    about: 'API key at Twilio, `SK…`, which can be taken back by itself; `TWILIO_AUTH_TOKEN` is its secret then.',
    example: '',
    read(text, { refuse }): string | undefined {
      if (text && !/^SK[0-9a-f]{32}$/i.test(text)) refuse('TWILIO_API_KEY must be SK and 32 hexadecimal digits.');
      return text;
    },
  }),
  twilioAuthToken: setting({
    name: 'TWILIO_AUTH_TOKEN',
    fallback: 'none',
    about: 'Secret of the account at Twilio, or of the API key.',
    example: '',
    read: (text): string | undefined => text,
  }),
  twilioUrl: setting({
    name: 'TWILIO_URL',
    fallback: '`https://api.twilio.com`',
    about: "Address of Twilio's API, for another region or what speaks as it does.",
    example: 'https://api.twilio.com',
    read: (text = 'https://api.twilio.com', reading): string => readWeb('TWILIO_URL', text, reading),
  }),
  seedDemo: setting({
    name: 'SEED_DEMO',
    fallback: 'on in development when the database is empty',
    about: 'Creates the demo tenant, user, clients and API.',
    example: 'false',
    read(text, reading): boolean | undefined {
      const seed = readSwitch('SEED_DEMO', text, reading);
      if (reading.production && seed)
        reading.refuse('SEED_DEMO creates a user with a printed password; it cannot be on in production.');
      return seed;
    },
  }),
  shortWays: setting({
    name: 'SHORT_WAYS',
    fallback: 'on',
    about:
      'Machine tokens, userinfo, introspection, discovery and keys are answered without the engine where the answer is plain; `off` sends every request through the engine, slower and the same, to find a fault.',
    example: 'on',
    read: (text, reading): boolean => readSwitch('SHORT_WAYS', text, reading) ?? true,
  }),
  threads: setting({
    name: 'UV_THREADPOOL_SIZE',
    fallback: '4, which is Node’s own; 8 in the container image',
    about:
      'How many threads sign, look up names and read files. Passwords are hashed in threads of their own, as many as there are processors but one.',
    example: '8',
    read(text = '4', { refuse }): number {
      if (!/^\d{1,4}$/.test(text) || Number(text) < 2 || Number(text) > 1024)
        refuse(`UV_THREADPOOL_SIZE is "${text}"; set it to a number of threads from 2 to 1024.`);
      return Number(text);
    },
  }),
  passwordHash: setting({
    name: 'PASSWORD_HASH',
    fallback: 'bcrypt',
    about: '`bcrypt` or `argon2id`; existing hashes change at the next login.',
    example: 'argon2id',
    read: (text = 'bcrypt', reading) => oneOf('PASSWORD_HASH', ['bcrypt', 'argon2id'], text, reading),
  }),
  turnstileUrl: setting({
    name: 'TURNSTILE_URL',
    fallback: '`https://challenges.cloudflare.com/turnstile/v0`',
    about:
      'Where the script and `siteverify` of Turnstile are, for accounts whose challenge it is; for a stand-in that speaks as it does.',
    example: 'https://challenges.cloudflare.com/turnstile/v0',
    read: (text = 'https://challenges.cloudflare.com/turnstile/v0', reading): string =>
      readWeb('TURNSTILE_URL', text, reading).replace(/\/+$/, ''),
  }),
  breachedPasswordsUrl: setting({
    name: 'BREACHED_PASSWORDS_URL',
    fallback: 'none: the list that comes along is all',
    about:
      'A service of leaked passwords that is asked besides the list that comes along, by the first five digits of a hash (k-anonymity, as Pwned Passwords). Where it does not answer within two seconds, the password is taken.',
    example: 'https://api.pwnedpasswords.com/range/',
    read: (text, reading): string | undefined =>
      text && `${readWeb('BREACHED_PASSWORDS_URL', text, reading).replace(/\/+$/, '')}/`,
  }),
};

type Settings = typeof SETTINGS;
type Values = { readonly [K in keyof Settings]: ReturnType<Settings[K]['read']> };

/** How mails leave: not at all is for development, where somebody reads them in the browser, and for nobody in production. */
type MailSettings =
  | { readonly by: 'smtp'; readonly from: string; readonly url: string }
  | {
      readonly by: 'postmark';
      readonly from: string;
      readonly token: string;
      readonly stream: string;
      readonly url: string;
    }
  | { readonly by: 'development'; readonly from: string };

/** How text messages leave: as with mails, not at all is for nobody in production. */
type SmsSettings =
  | {
      readonly by: 'twilio';
      readonly url: string;
      readonly account: string;
      readonly user: string;
      readonly password: string;
      readonly from: string;
    }
  | { readonly by: 'development' };

type Texts = 'smsFrom' | 'twilioAccountSid' | 'twilioApiKey' | 'twilioAuthToken' | 'twilioUrl';

function smsSettings(values: Pick<Values, Texts | 'production'>, refuse: Reading['refuse']): SmsSettings | undefined {
  const { production, smsFrom: from, twilioAccountSid: account, twilioApiKey, twilioAuthToken, twilioUrl } = values;
  if (!account) {
    if (twilioApiKey || twilioAuthToken)
      return refuse('TWILIO_ACCOUNT_SID is required with TWILIO_AUTH_TOKEN or TWILIO_API_KEY.');
    return production ? undefined : { by: 'development' };
  }
  if (!twilioAuthToken || !from) return refuse('TWILIO_AUTH_TOKEN and SMS_FROM are required with TWILIO_ACCOUNT_SID.');
  return { by: 'twilio', url: twilioUrl, account, user: twilioApiKey ?? account, password: twilioAuthToken, from };
}

type Mails = 'mailFrom' | 'smtpUrl' | 'postmarkToken' | 'postmarkStream' | 'postmarkUrl';
export type Config = Omit<Values, 'operatorId' | 'operatorSecret' | Mails | Texts> & {
  readonly operator: { readonly id: string; readonly secret: string } | undefined;
  /** Undefined where mails cannot leave. */
  readonly mail: MailSettings | undefined;
  /** Undefined where text messages cannot leave. */
  readonly sms: SmsSettings | undefined;
};

function mailSettings(values: Pick<Values, Mails | 'production'>, refuse: Reading['refuse']): MailSettings | undefined {
  const { production, mailFrom, smtpUrl, postmarkToken, postmarkStream: stream, postmarkUrl } = values;
  if (smtpUrl && postmarkToken) return refuse('Set SMTP_URL or POSTMARK_TOKEN, not both: mails leave by one way.');
  if (!smtpUrl && !postmarkToken)
    return production ? undefined : { by: 'development', from: mailFrom ?? 'no-reply@localhost' };
  if (!mailFrom)
    return refuse('MAIL_FROM is required with SMTP_URL or POSTMARK_TOKEN: the address that mails come from.');
  if (smtpUrl) return { by: 'smtp', from: mailFrom, url: smtpUrl };
  return { by: 'postmark', from: mailFrom, token: postmarkToken!, stream, url: postmarkUrl };
}

/** @throws ConfigError naming every setting that is missing, malformed or unsafe. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const reading: Reading = {
    production: env.NODE_ENV?.trim() === 'production',
    refuse: (sentence) => void faults.push(sentence),
  };
  const read = Object.entries<Setting>(SETTINGS).map(([key, { name, read }]) => [
    key,
    read(env[name]?.trim() || undefined, reading),
  ]);
  const all = Object.fromEntries(read) as Values;
  const { operatorId, operatorSecret, mailFrom, smtpUrl, postmarkToken, postmarkStream, postmarkUrl, ...others } = all;
  const { smsFrom, twilioAccountSid, twilioApiKey, twilioAuthToken, twilioUrl, ...values } = others;
  const mail = mailSettings(all, reading.refuse);
  const sms = smsSettings(all, reading.refuse);
  if ((operatorId === undefined) !== (operatorSecret === undefined))
    faults.push('Set OPERATOR_CLIENT_ID and OPERATOR_CLIENT_SECRET together, or neither.');
  if (faults.length) throw new ConfigError(faults);
  const operator = operatorId && operatorSecret ? { id: operatorId, secret: operatorSecret } : undefined;
  return Object.freeze({ ...values, operator, mail, sms });
}
