/**
 * Password hashes made elsewhere, as one line of text: judged when it comes and again when it is used, verified at the
 * first login, and then replaced by ours. Knows bcrypt, argon2, scrypt, pbkdf2, Firebase's scrypt and the plain digests of
 * older systems.
 */
import { createCipheriv, createHash, createHmac, pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto';
import { Fault } from '../fault.ts';
import { strictBytes } from './encoding.ts';

/** In bytes. */
const LENGTHS = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const;
export type Digest = keyof typeof LENGTHS;
export const DIGESTS = Object.keys(LENGTHS) as Digest[];

/** How much work a hash may ask of a login: as much as the strictest advice for its kind asks, and no denial of service. */
const LIMITS = {
  bcryptCost: 14,
  argon2: { memoryKiB: 262_144, passes: 10, lanes: 4 },
  /** N·r·p: 256 MB and their like in time. */
  scryptWork: 1 << 21,
  /** Under so much the rest of the work outweighs what is counted: N=2 with p=2^20 took 30 times as long. */
  scryptCostLeast: 1024,
  /** Rounds × blocks. */
  pbkdf2Work: 2_000_000,
};
/** In bytes. A shorter one is a mistake in the export, and the empty one would fit every password. */
const [KEY_LEAST, KEY_MOST, SALT_LEAST] = [16, 512, 8];

const refuse = (message: string): never => {
  throw new Fault('validation', `password_hash ${message}`);
};

function decoded(name: string, text = '', least = 0, most = KEY_MOST): Buffer {
  const data = strictBytes(text, 'base64') ?? refuse(`has a ${name} that is not base64`);
  if (data.length < least) refuse(`has a ${name} of ${data.length} bytes, ${least} are the least`);
  if (data.length > most) refuse(`has a ${name} of ${data.length} bytes, ${most} are the most`);
  return data;
}

function whole(name: string, text: string | undefined): number {
  return /^[1-9]\d{0,9}$/.test(text ?? '') ? Number(text) : refuse(`has a ${name} that is not a number`);
}

function digestOf(text: string | undefined): Digest {
  return Object.hasOwn(LENGTHS, text ?? '') ? (text as Digest) : refuse('has a digest that is not known');
}

/** A key as long as its digest, neither cut nor padded. */
function sized(digest: Digest, text: string | undefined): Buffer {
  const data = decoded('key', text);
  if (data.length !== LENGTHS[digest])
    refuse(`has a key of ${data.length} bytes, and ${digest} has ${LENGTHS[digest]}`);
  return data;
}

const scrypt = (password: string, salt: Buffer, length: number, [N, r, p]: number[]): Buffer =>
  scryptSync(password, salt, length, { N, r, p, maxmem: 129 * N! * r! + 256 * r! * p! });

function scryptCost(N: number, r: number, p: number): number[] {
  if (N < 2 || !Number.isInteger(Math.log2(N))) refuse('has a cost that is no power of two');
  if (N < LIMITS.scryptCostLeast) refuse(`has the cost ${N}, ${LIMITS.scryptCostLeast} is the least`);
  if (N * r * p > LIMITS.scryptWork) refuse('costs more than a login may');
  // RFC 7914 §2: N is less than 2^(128·r/8), and whoever verifies refuses what is not.
  if (Math.log2(N) >= 16 * r) refuse(`has a cost that needs a larger block size than ${r}`);
  return [N, r, p];
}

const scryptWork = (cost: number[]): number => cost.reduce((product, one) => product * one) / PER_BCRYPT_ROUND.scrypt;

/** What is in a line: the key that the password is to come to, and how it comes to one. */
type Judged = { key: Buffer; work: number; derive(password: string): Buffer };

/**
 * Of what one may ask for, so many take as long as one round of bcrypt, 2^cost of which a bcrypt hash has. Measured, and
 * true to a third: it differs between machines.
 */
const PER_BCRYPT_ROUND = { argon2: 200, scrypt: 200, md5: 230, sha1: 390, sha256: 390, sha512: 130 };

/** By name of the line. @throws Fault `validation` saying what is wrong with it. */
const FORMS: Record<string, (parts: string[]) => Judged> = {
  scrypt([N, r, p, salt, text]) {
    const cost = scryptCost(whole('cost', N), whole('block size', r), whole('parallelization', p));
    const [salted, key] = [decoded('salt', salt, SALT_LEAST), decoded('key', text, KEY_LEAST)];
    return { key, work: scryptWork(cost), derive: (password) => scrypt(password, salted, key.length, cost) };
  },
  pbkdf2([name, count, salt, text]) {
    const [digest, rounds] = [digestOf(name), whole('count of rounds', count)];
    const [salted, key] = [decoded('salt', salt, SALT_LEAST), decoded('key', text, KEY_LEAST)];
    const all = rounds * Math.ceil(key.length / LENGTHS[digest]);
    if (all > LIMITS.pbkdf2Work) refuse('costs more than a login may');
    const work = all / PER_BCRYPT_ROUND[digest];
    return { key, work, derive: (password) => pbkdf2Sync(password, salted, rounds, key.length, digest) };
  },
  hmac([name, secret, text]) {
    const digest = digestOf(name);
    const [keyed, key] = [decoded('key of the hmac', secret, 1, 4000), sized(digest, text)];
    return { key, work: 0, derive: (password) => createHmac(digest, keyed).update(password).digest() };
  },
  /** Older systems have short salts, or none: the digest is as weak with a long one. */
  digest([name, position, salt, text]) {
    const digest = digestOf(name);
    const [salted, key] = [decoded('salt', salt), sized(digest, text)];
    if (position !== 'prefix' && position !== 'suffix') refuse('has a salt that is neither prefix nor suffix');
    return {
      key,
      work: 0,
      derive(password) {
        const parts = position === 'suffix' ? [Buffer.from(password), salted] : [salted, Buffer.from(password)];
        return createHash(digest).update(Buffer.concat(parts)).digest();
      },
    };
  },
  /** Firebase encrypts its signer key with what scrypt makes of the password; the cipher text is the hash. */
  firebase([memory, rounds, separator, secret, salt, text]) {
    const exponent = whole('memory cost', memory);
    const cost = scryptCost(
      exponent > 21 ? refuse('costs more than a login may') : 2 ** exponent,
      whole('count of rounds', rounds),
      1,
    );
    const salted = Buffer.concat([decoded('salt', salt, SALT_LEAST), decoded('salt separator', separator)]);
    const [signer, key] = [decoded('signer key', secret, KEY_LEAST), decoded('key', text, KEY_LEAST)];
    return {
      key,
      work: scryptWork(cost),
      derive(password) {
        const made = scrypt(password, salted, 64, cost);
        const cipher = createCipheriv('aes-256-ctr', made.subarray(0, 32), Buffer.alloc(16));
        return Buffer.concat([cipher.update(signer), cipher.final()]);
      },
    };
  },
};

function judged(line: string): Judged {
  const [, name = '', ...parts] = line.split('$');
  const form = Object.hasOwn(FORMS, name) ? FORMS[name]! : refuse('is not a form that can be verified');
  return form(parts);
}

const BCRYPT = /^\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const ARGON2 = /^\$argon2(?:id|i|d)\$v=(?:16|19)\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([^$]+)\$([^$]+)$/;

/**
 * Whether a hash of bcrypt or argon2 is one, and asks for no more work than a login may.
 * @returns how much, in rounds of bcrypt. @throws Fault `validation`.
 */
function judgeOwn(line: string): number {
  const cost = BCRYPT.exec(line)?.[1];
  if (cost !== undefined) {
    if (Number(cost) < 4 || Number(cost) > LIMITS.bcryptCost)
      refuse(`has the cost ${cost}, from 4 to ${LIMITS.bcryptCost} are taken`);
    return 2 ** Number(cost);
  }
  const [, m, t, p, salt, key] = ARGON2.exec(line) ?? refuse('is not a form that can be verified');
  const { memoryKiB, passes, lanes } = LIMITS.argon2;
  if (whole('memory cost', m) > memoryKiB || whole('count of passes', t) > passes || whole('count of lanes', p) > lanes)
    refuse(`costs more than m=${memoryKiB},t=${passes},p=${lanes}`);
  // RFC 9106 §3.1.
  if (Number(m) < 8 * Number(p)) refuse('has less memory than its lanes need');
  decoded('salt', salt, SALT_LEAST);
  decoded('key', key, KEY_LEAST);
  return (Number(m) * Number(t)) / PER_BCRYPT_ROUND.argon2;
}

/** What a judge says of a line, or nothing of one that would not be taken today. */
function unlessRefused<T>(judge: () => T): T | undefined {
  try {
    return judge();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** Whether a stored line is one of bcrypt or argon2 that may be worked on. */
export const isOwnHash = (line: string): boolean => unlessRefused(() => judgeOwn(line)) !== undefined;

/**
 * A hash that already is one line: bcrypt, argon2 and pbkdf2 in their usual spellings, or one that we exported.
 * @throws Fault `validation` saying what is wrong with it.
 */
export function passwordHash(text: string): string {
  if (text.length > 4000) refuse('is too long');
  if (/^\$(?:2[abxy]|argon2(?:id|i|d))\$/.test(text)) {
    judgeOwn(text);
    return text.replace(/^\$2[xy]/, '$2b');
  }
  const [, digest, rounds, length, salt, key] =
    /^\$pbkdf2-(sha1|sha256|sha512)\$(?:i=)?(\d{1,8})(?:,l=(\d+))?\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)$/.exec(text) ??
    [];
  // passlib writes "." for "+".
  const line = digest ? `$pbkdf2$${digest}$${rounds}$${salt!.replaceAll('.', '+')}$${key!.replaceAll('.', '+')}` : text;
  const { key: expected } = judged(line);
  if (length !== undefined && Number(length) !== expected.length)
    refuse(`has a key of ${expected.length} bytes, and says ${length}`);
  return line;
}

/** Whether a stored line is one of ours to verify here (bcrypt and argon2 are hash-work.ts's). */
export const isForeignHash = (stored: string): boolean => Object.hasOwn(FORMS, stored.split('$')[1] ?? '');

/** What a look at a stored line costs, in rounds of bcrypt; nothing where it is not looked at. */
export const hashWork = (stored: string): number =>
  unlessRefused(() => (isForeignHash(stored) ? judged(stored).work : judgeOwn(stored))) ?? 0;

/** Takes the thread until it is done. False too for a line that would not be taken today. */
export function verifyForeign(password: string, stored: string): boolean {
  const line = unlessRefused(() => judged(stored));
  if (!line) return false;
  const actual = line.derive(password);
  return actual.length === line.key.length && timingSafeEqual(actual, line.key);
}
