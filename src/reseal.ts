/** The command that ends a change of CARDEA_SECRET: seals with it whatever is still sealed with another one. */
import { pino } from 'pino';
import { ConfigError, readConfig } from './config.ts';
import { forgetOtherSecrets, SEALED_FACTS } from './domain/account/installation.ts';
import './domain/index.ts';
import { SEALED_KEYS } from './domain/key/signing-key.ts';
import { open } from './open.ts';
import { collections } from './resource/registry.ts';
import { sealedFields } from './resource/sealing.ts';
import { reseal } from './store/reseal.ts';

const places = () => [...collections().flatMap(({ spec }) => sealedFields(spec)), SEALED_KEYS, SEALED_FACTS];

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Again until there is nothing: servers may have written while it went through. */
async function resealAll(): Promise<{ sealed: number; closed: number }> {
  let total = 0;
  for (;;) {
    let [sealed, closed] = [0, 0];
    for (const place of places()) {
      const done = await reseal(place);
      sealed += done.sealed;
      closed += done.closed.length;
      if (done.sealed) say(`${place.collection}.${place.field}: ${done.sealed} sealed anew`);
      if (done.closed.length && !done.sealed)
        say(
          `${place.collection}.${place.field}: no secret opens ${done.closed.length}: ${done.closed.slice(0, 10).join(', ')}`,
        );
    }
    total += sealed;
    if (sealed === 0) return { sealed: total, closed };
  }
}

async function run(): Promise<number> {
  const config = readConfig(process.env);
  const store = await open(config, pino({ level: 'warn' }));
  try {
    const { sealed, closed } = await resealAll();
    if (closed) {
      say(
        `${sealed} values were sealed anew; ${closed} were not: name the secret that opens them in CARDEA_OTHER_SECRETS.`,
      );
      return 1;
    }
    await forgetOtherSecrets();
    say(`${sealed} values were sealed anew. Nothing is sealed with any other secret.`);
    return 0;
  } finally {
    await store.close();
  }
}

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const faults =
      error instanceof ConfigError ? error.faults : [error instanceof Error ? error.message : String(error)];
    process.stderr.write(`Nothing more was sealed:\n${faults.map((fault) => `  - ${fault}\n`).join('')}`);
    process.exit(1);
  },
);
