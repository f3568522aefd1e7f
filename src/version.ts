/** What is running: package version, and the commit where the image or the environment of the build says so. */
import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  name: string;
  version: string;
};

/** Written by the image build; absent in a checkout. */
function commit(): string {
  try {
    return readFileSync(new URL('../.commit', import.meta.url), 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

export const VERSION = { name: manifest.name, version: manifest.version, commit: commit() };
