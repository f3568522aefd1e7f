/**
 * The embedded engine needs a newer C library than some machines have. This fetches one, once, from the machine's own
 * package mirror, verified by the machine's own keys, into a cache folder; nothing is installed and no root is needed.
 */
import { execFile } from 'node:child_process';
import { access, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Tell } from './engine.ts';

const run = promisify(execFile);

const NEEDED = [2, 38] as const;
/** The distribution's first long-lived release with a C library new enough; libstdc++ and libgcc stay the machine's own. */
const SUITES = { debian: 'trixie', ubuntu: 'noble' } as const;
type Architecture = { deb: string; triplet: string; loader: string };
const ARCHITECTURES: Record<string, Architecture | undefined> = {
  x64: { deb: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { deb: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};
const KEYRINGS = '/usr/share/keyrings';

/**
 * The words to put before `node`: none where the machine's own C library will do.
 * @throws Error with one sentence that names MONGODB_URL when there is no way to run the engine here.
 */
export async function loaderCommand(tell: Tell = () => {}): Promise<string[]> {
  if (process.platform !== 'linux' || isEnough(glibcVersion())) return [];
  const architecture = ARCHITECTURES[process.arch];
  if (!glibcVersion() || !architecture) throw impossible('it needs glibc on x64 or arm64');
  try {
    const name = await distribution();
    const suite = SUITES[name];
    const cache = await cacheFolder();
    const libraries = join(cache, `libc6-${suite}-${architecture.deb}`);
    const command = [join(libraries, architecture.loader), '--library-path', libraries];
    if (await exists(command[0]!)) return command;
    tell('The embedded database needs a newer C library than this machine has.');
    tell(`Fetching that of ${name} ${suite}, once: a quarter of a minute, or longer on a slow line …`);
    const work = await mkdtemp(join(cache, 'fetch-'));
    try {
      const unpacked = await fetchLibc(work, architecture, suite, await keyrings(name));
      // Another process may have been first: its folder is as good, and never half there.
      await rename(unpacked, libraries).catch(() => access(libraries));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    await access(command[0]!);
    tell('It is there; starting.');
    return command;
  } catch (error) {
    const words = error instanceof Error ? error.message.trim() : String(error);
    const reason = /^E: (.*)$/m.exec(words)?.[1] ?? words.split('\n').at(-1);
    throw impossible(`its C library is too old, and fetching a newer one failed: ${reason}`);
  }
}

/** @returns the folder of the unpacked libraries, inside `work`. */
async function fetchLibc(work: string, machine: Architecture, suite: string, keys: string[]): Promise<string> {
  const { deb, triplet } = machine;
  const options = { cwd: work, timeout: 60_000, env: { ...process.env, LC_ALL: 'C' } };
  const config = join(work, 'apt.conf');
  await Promise.all(['lists/partial', 'archives/partial'].map((path) => mkdir(join(work, path), { recursive: true })));
  await writeFile(join(work, 'status'), '');
  await writeFile(config, aptConfig(work));
  let failure: unknown = new Error('apt-get knows no mirror of this distribution');
  for (const mirror of await mirrors()) {
    const signedBy = keys.length > 0 ? ` signed-by=${keys.join(',')}` : '';
    await writeFile(join(work, 'sources.list'), `deb [arch=${deb}${signedBy}] ${mirror} ${suite} main\n`);
    try {
      await run('apt-get', ['-c', config, 'update'], options);
      await run('apt-get', ['-c', config, 'download', `libc6:${deb}`], options);
      const archive = (await readdir(work)).find((name) => name.endsWith('.deb'));
      if (!archive) throw new Error('apt-get downloaded nothing');
      await run('dpkg-deb', ['-x', archive, 'root'], options);
      const merged = join(work, 'root', 'usr/lib', triplet);
      return (await exists(merged)) ? merged : join(work, 'root', 'lib', triplet);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Private lists and state, the machine's own proxies and timeouts, and none of its hooks. */
function aptConfig(work: string): string {
  return `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "${work}";
Dir::State::lists "${work}/lists";
Dir::State::status "${work}/status";
Dir::Cache "${work}";
Dir::Cache::archives "${work}/archives";
Dir::Etc::sourcelist "${work}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "root"; // apt's own user may not enter a private folder
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "1";
`;
}

/** The machine's own mirrors, likeliest first; also known before the first `apt-get update`. */
async function mirrors(): Promise<string[]> {
  const format = '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)';
  const { stdout } = await run('apt-get', ['indextargets', '--no-release-info', '--format', format]);
  const rows = stdout.split('\n').map((line) => line.split(' '));
  const found = rows.flatMap(([created, component, release, uri]) =>
    created === 'Packages' && component === 'main' && uri && !release?.includes('security') ? [uri] : [],
  );
  const rank = (uri: string) => (/\/(debian|ubuntu|ubuntu-ports)\/?$/.test(uri) ? 0 : 1);
  return [...new Set(found)].sort((a, b) => rank(a) - rank(b)).slice(0, 3);
}

/** The distribution's own keys, so that no third party's archive can answer; without any, apt's default set. */
async function keyrings(name: string): Promise<string[]> {
  const files = await readdir(KEYRINGS).catch(() => []);
  const archive = new RegExp(`^${name}-archive-.*\\.(gpg|pgp)$`);
  return files.filter((file) => archive.test(file) && !file.includes('removed')).map((file) => join(KEYRINGS, file));
}

async function distribution(): Promise<keyof typeof SUITES> {
  const release = await readFile('/etc/os-release', 'utf8');
  const names = release.match(/^ID(_LIKE)?=.*$/gm)?.join() ?? '';
  if (names.includes('ubuntu')) return 'ubuntu'; // before Debian, which Ubuntu's relatives name as well
  if (names.includes('debian')) return 'debian';
  throw new Error('only Debian and Ubuntu have a package for it');
}

/** What lies here is executed, so it must be ours: a folder that someone else made in a shared place is refused. */
async function cacheFolder(): Promise<string> {
  const user = process.getuid?.();
  const home = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  for (const folder of [join(home, 'cardea'), join(tmpdir(), `cardea-cache-${user}`)]) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const probe = await mkdtemp(join(folder, 'probe-'));
      await rm(probe, { recursive: true });
      const { uid, mode } = await lstat(folder);
      if (uid === user && (mode & 0o022) === 0) return folder;
    } catch {
      // The next one may do: a home that is read-only or absent is usual in containers.
    }
  }
  throw new Error('no folder to cache it in is writable by this user alone');
}

function glibcVersion(): string | undefined {
  // Its reverse look-ups can take seconds. (@types/node does not know the option yet.)
  const report = Object.assign(process.report, { excludeNetwork: true }).getReport();
  return (report as { header?: { glibcVersionRuntime?: string } }).header?.glibcVersionRuntime;
}

function isEnough(version = '0.0'): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function impossible(reason: string): Error {
  return new Error(`The embedded database does not run here (${reason}): set MONGODB_URL to a MongoDB server.`);
}
