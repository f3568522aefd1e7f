/** The database of a configuration, with the secret that its values are sealed with: what the server and its commands start from. */
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { fitSecrets } from './domain/account/installation.ts';
import { mintToken } from './kernel/secret/random.ts';
import { useSecret } from './kernel/secret/seal.ts';
import { readPrivate, writePrivate } from './private-files.ts';
import { openStore, type Store } from './store/connect.ts';

/** That of a development machine is made once and kept beside its data. */
async function sealingSecret(config: Config): Promise<string> {
  if (config.secret) return config.secret;
  const kept = (await readPrivate(config.dataDir, 'secret'))?.trim();
  if (kept) return kept;
  const made = mintToken(48);
  await writePrivate(config.dataDir, 'secret', `${made}\n`);
  return made;
}

/**
 * @param tell of what somebody who waits may wonder about.
 * @throws Error with a sentence for the operator where there is no database to use, or the secret is not its own.
 */
export async function open(config: Config, log: Logger, tell?: (sentence: string) => void): Promise<Store> {
  useSecret(await sealingSecret(config), config.otherSecrets);
  const store = await openStore({ mongodbUrl: config.mongodbUrl, dataDir: config.dataDir, log, tell });
  if (await fitSecrets()) return store;
  await store.close();
  throw new Error(
    'CARDEA_SECRET does not fit this database: something in it was sealed with another one. Set CARDEA_SECRET to the one that it was started with before, or name that one in CARDEA_OTHER_SECRETS.',
  );
}
