/**
 * Password hashes made elsewhere: turned into one line of text at import, verified once at the first login, and then
 * replaced by ours. Knows bcrypt, argon2, scrypt, pbkdf2, Firebase's scrypt and the plain digests of older systems.
 */
import { createCipheriv, createHash, createHmac, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import Type, { type Static } from 'typebox';
import { Fault } from '../fault.ts';

const pbkdf2Async = promisify(pbkdf2);
const DIGESTS = ['md5', 'sha1', 'sha256', 'sha512'] as const;
type Digest = (typeof DIGESTS)[number];

/** How much work a stored hash may ask of a login: more than any sound setting, less than a denial of service. */
const LIMITS = { scryptMemory: 256 * 1024 * 1024, pbkdf2Rounds: 10_000_000, keyBytes: 512 };

const Encoded = Type.Object(
  {
    value: Type.String({ maxLength: 2000 }),
    encoding: Type.Optional(
      Type.Unsafe<'utf8' | 'hex' | 'base64'>({ type: 'string', enum: ['utf8', 'hex', 'base64'] }),
    ),
  },
  { additionalProperties: false },
);

/** Auth0's `custom_password_hash`. */
export const CustomHash = Type.Object(
  {
    algorithm: Type.Unsafe<'argon2' | 'bcrypt' | 'hmac' | 'pbkdf2' | 'scrypt' | Digest>({
      type: 'string',
      enum: ['argon2', 'bcrypt', 'hmac', 'pbkdf2', 'scrypt', ...DIGESTS],
    }),
    hash: Type.Object(
      {
        ...Encoded.properties,
        digest: Type.Optional(Type.Unsafe<Digest>({ type: 'string', enum: [...DIGESTS] })),
        key: Type.Optional(Encoded),
      },
      { additionalProperties: false },
    ),
    salt: Type.Optional(
      Type.Object(
        {
          ...Encoded.properties,
          position: Type.Optional(Type.Unsafe<'prefix' | 'suffix'>({ type: 'string', enum: ['prefix', 'suffix'] })),
        },
        { additionalProperties: false },
      ),
    ),
    keylen: Type.Optional(Type.Integer({ minimum: 8, maximum: LIMITS.keyBytes })),
    cost: Type.Optional(Type.Integer({ minimum: 2, maximum: 1 << 22 })),
    blockSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
    parallelization: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
    iterations: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.pbkdf2Rounds })),
  },
  { additionalProperties: false },
);
export type CustomHash = Static<typeof CustomHash>;

/** The project-wide parameters of a Firebase export; `password_hash` and `salt` come with each user. */
export const FirebaseParameters = Type.Object(
  {
    base64_signer_key: Type.String({ maxLength: 500 }),
    base64_salt_separator: Type.String({ maxLength: 100 }),
    rounds: Type.Integer({ minimum: 1, maximum: 16 }),
    mem_cost: Type.Integer({ minimum: 1, maximum: 16 }),
  },
  { additionalProperties: false },
);
export type FirebaseParameters = Static<typeof FirebaseParameters>;

const bytes = ({ value, encoding = 'utf8' }: { value: string; encoding?: 'utf8' | 'hex' | 'base64' }) =>
  Buffer.from(value, encoding);
const b64 = (data: Buffer) => data.toString('base64').replace(/=+$/, '');
const line = (...parts: (string | number)[]) => `$${parts.join('$')}`;
const refuse = (message: string): never => {
  throw new Fault('validation', message);
};

/** One line for every form; @throws Fault `validation` saying what is wrong with it. */
export function customHash(hash: CustomHash): string {
  const { algorithm } = hash;
  const salt = hash.salt ? bytes(hash.salt) : Buffer.alloc(0);
  const value = bytes({
    ...hash.hash,
    encoding: hash.hash.encoding ?? (algorithm === 'bcrypt' || algorithm === 'argon2' ? 'utf8' : 'hex'),
  });
  switch (algorithm) {
    case 'bcrypt':
    case 'argon2':
      return passwordHash(value.toString());
    case 'scrypt':
      return line('scrypt', hash.cost ?? 16_384, hash.blockSize ?? 8, hash.parallelization ?? 1, b64(salt), b64(value));
    case 'pbkdf2':
      return hash.hash.value.startsWith('$')
        ? passwordHash(hash.hash.value)
        : line('pbkdf2', hash.hash.digest ?? 'sha1', hash.iterations ?? 100_000, b64(salt), b64(value));
    case 'hmac':
      return line(
        'hmac',
        hash.hash.digest ?? 'sha256',
        b64(hash.hash.key ? bytes(hash.hash.key) : refuse('hash.key is required for hmac')),
        b64(value),
      );
    default:
      return line('digest', algorithm, hash.salt?.position ?? 'prefix', b64(salt), b64(value));
  }
}

export const firebaseHash = (parameters: FirebaseParameters, hash: string, salt: string): string =>
  line(
    'firebase',
    parameters.mem_cost,
    parameters.rounds,
    parameters.base64_salt_separator,
    parameters.base64_signer_key,
    salt,
    hash,
  );

/** A hash that already is one line: bcrypt, argon2 and pbkdf2 in their usual spellings, or one that we exported. */
export function passwordHash(text: string): string {
  if (/^\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}$/.test(text)) return text.replace(/^\$2[xy]/, '$2b');
  if (/^\$argon2(id|i|d)\$v=\d+\$m=\d{1,7},t=\d{1,3},p=\d{1,2}\$[^$\s]{8,}\$[^$\s]{8,}$/.test(text)) return text;
  const pbkdf2Line =
    /^\$pbkdf2-(sha1|sha256|sha512)\$(?:i=)?(\d{1,8})(?:,l=\d+)?\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)$/.exec(text);
  if (pbkdf2Line) {
    const [, digest, rounds, salt, key] = pbkdf2Line as unknown as [string, string, string, string, string];
    // passlib writes "." for "+".
    return line('pbkdf2', digest, rounds, salt.replaceAll('.', '+'), key.replaceAll('.', '+'));
  }
  if (/^\$(scrypt|pbkdf2|firebase|hmac|digest)\$/.test(text) && text.length < 4000) {
    if (verifiers[text.split('$')[1]!]) return text;
  }
  return refuse('password_hash is not a form that can be verified');
}

type Verifier = (password: string, parts: string[]) => Promise<Buffer> | Buffer;

const scryptAsync = (
  password: string,
  salt: Buffer,
  length: number,
  N: number,
  r: number,
  p: number,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password, salt, length, { N, r, p, maxmem: LIMITS.scryptMemory }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });

const from64 = (text = '') => Buffer.from(text, 'base64');

/** By name of the line: what the password hashes to, to be compared with the line's last part. */
const verifiers: Record<string, Verifier> = {
  scrypt: (password, [N, r, p, salt, key]) =>
    scryptAsync(password, from64(salt), from64(key).length, Number(N), Number(r), Number(p)),
  pbkdf2: (password, [digest, rounds, salt, key]) =>
    pbkdf2Async(password, from64(salt), Math.min(Number(rounds), LIMITS.pbkdf2Rounds), from64(key).length, digest!),
  hmac: (password, [digest, key]) => createHmac(digest!, from64(key)).update(password).digest(),
  digest: (password, [digest, position, salt]) => {
    const hash = createHash(digest!);
    return (
      position === 'suffix' ? hash.update(password).update(from64(salt)) : hash.update(from64(salt)).update(password)
    ).digest();
  },
  // Firebase encrypts its signer key with what scrypt makes of the password; the cipher text is the hash.
  firebase: async (password, [memory, rounds, separator, signer, salt]) => {
    const key = await scryptAsync(
      password,
      Buffer.concat([from64(salt), from64(separator)]),
      64,
      2 ** Number(memory),
      Number(rounds),
      1,
    );
    const cipher = createCipheriv('aes-256-ctr', key.subarray(0, 32), Buffer.alloc(16));
    return Buffer.concat([cipher.update(from64(signer)), cipher.final()]);
  },
};

/** Whether a stored line is one of ours to verify here (bcrypt and argon2 are password.ts's). */
export const isForeignHash = (stored: string): boolean => verifiers[stored.split('$')[1] ?? ''] !== undefined;

export async function verifyForeign(password: string, stored: string): Promise<boolean> {
  const [, name, ...parts] = stored.split('$');
  const expected = from64(parts.at(-1));
  const actual = await verifiers[name!]!(password, parts);
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}
