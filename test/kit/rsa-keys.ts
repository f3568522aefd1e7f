/**
 * RSA keys take long to find, and every tenant has two: a test process takes those that others before it found, each once.
 * They are as real as any, only found before. Loaded before everything else (scripts/test.ts), so that whoever makes keys
 * takes these.
 */
import crypto, { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/test-keys/', import.meta.url));
mkdirSync(FOLDER, { recursive: true, mode: 0o700 });

type Pair = { publicKey: KeyObject; privateKey: KeyObject };
type Made = (error: Error | null, publicKey?: KeyObject, privateKey?: KeyObject) => void;

const { generateKeyPair } = crypto;
const find = promisify(generateKeyPair) as unknown as (type: string, options: object) => Promise<Pair>;
let taken = 0;

async function take(type: string, options: { modulusLength?: number }): Promise<Pair> {
  if (type !== 'rsa' || options.modulusLength !== 2048) return find(type, options);
  const file = `${FOLDER}${taken++}.pem`;
  try {
    const privateKey = createPrivateKey(readFileSync(file));
    return { privateKey, publicKey: createPublicKey(privateKey) };
  } catch {
    const pair = await find(type, options);
    const written = `${file}.${process.pid}`;
    writeFileSync(written, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    renameSync(written, file);
    return pair;
  }
}

const replacement = (type: string, options: object, made: Made): void => {
  take(type, options).then(({ publicKey, privateKey }) => made(null, publicKey, privateKey), made);
};
Object.defineProperty(replacement, promisify.custom, { value: take });
Object.assign(crypto, { generateKeyPair: replacement });
syncBuiltinESMExports();
