/**
 * The forms in which other systems hand over password hashes, Auth0's and Firebase's: each becomes one line of text, which
 * foreign-hash.ts judges and verifies.
 */
import Type, { type Static } from 'typebox';
import { Fault } from '../fault.ts';
import { base64Of as b64, strictBytes } from './encoding.ts';
import { DIGESTS, type Digest, passwordHash } from './foreign-hash.ts';

const Encoded = Type.Object(
  {
    value: Type.String({ maxLength: 2000 }),
    encoding: Type.Optional(
      Type.Unsafe<'utf8' | 'hex' | 'base64'>({ type: 'string', enum: ['utf8', 'hex', 'base64'] }),
    ),
  },
  { additionalProperties: false },
);

/** How much is too much is judged of the line that comes of it. */
const Count = Type.Optional(Type.Integer({ minimum: 1 }));

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
    keylen: Count,
    cost: Count,
    blockSize: Count,
    parallelization: Count,
    iterations: Count,
  },
  { additionalProperties: false },
);
export type CustomHash = Static<typeof CustomHash>;

/** The project-wide parameters of a Firebase export; `password_hash` and `salt` come with each user. */
export const FirebaseParameters = Type.Object(
  {
    base64_signer_key: Type.String({ maxLength: 500 }),
    base64_salt_separator: Type.String({ maxLength: 100 }),
    rounds: Type.Integer({ minimum: 1 }),
    mem_cost: Type.Integer({ minimum: 1 }),
  },
  { additionalProperties: false },
);
export type FirebaseParameters = Static<typeof FirebaseParameters>;

const refuse = (message: string): never => {
  throw new Fault('validation', message);
};

const bytes = (name: string, { value, encoding = 'utf8' }: Static<typeof Encoded>): Buffer =>
  strictBytes(value, encoding) ?? refuse(`${name}.value is not ${encoding}`);
const line = (...parts: (string | number)[]) => passwordHash(`$${parts.join('$')}`);

/** One line for every form; @throws Fault `validation` saying what is wrong with it. */
export function customHash(hash: CustomHash): string {
  const { algorithm } = hash;
  const salt = hash.salt ? bytes('salt', hash.salt) : Buffer.alloc(0);
  const value = bytes('hash', {
    ...hash.hash,
    encoding: hash.hash.encoding ?? (algorithm === 'bcrypt' || algorithm === 'argon2' ? 'utf8' : 'hex'),
  });
  if (hash.keylen !== undefined && hash.keylen !== value.length)
    refuse(`hash.value has ${value.length} bytes, and keylen says ${hash.keylen}`);
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
        b64(hash.hash.key ? bytes('hash.key', hash.hash.key) : refuse('hash.key is required for hmac')),
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
