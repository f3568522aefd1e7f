/**
 * Clients that name themselves by the address of a document about them (draft-ietf-oauth-client-id-metadata-document):
 * which addresses are looked at, what a document may say, and for how long it holds. Such a client is in no database.
 */
import { LRUCache } from 'lru-cache';
import { type Client, clients, isDocumentId } from '../domain/client/client.ts';
import { readMembers } from '../domain/client/client-members.ts';
import { HOUR, MINUTE, SECOND } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { isLoopbackHost } from '../kernel/loopback.ts';
import { networkLimit } from './network-limit.ts';

/** As the draft recommends. */
const MAX_BYTES = 5 * 1024;
/** However short the document says that it holds; the fetch itself bounds how long. */
const LEAST_SECONDS = MINUTE;
/** How long a document that cannot be read anew is still believed, so that users of the client stay logged in. */
const STALE_SECONDS = HOUR;
/** How long an address with nothing good at it is left alone. */
const COOLDOWN_SECONDS = 10 * SECOND;
const MAX_ADDRESS = 500;

/** Fetching is done for whoever asks: nobody gets to point us at a thousand servers. */
const perAddress = networkLimit('client-document', 60, 5 * MINUTE);

export type DocumentFetch = (address: string) => Promise<Response>;
export type DocumentOptions = { fetch: DocumentFetch; production: boolean; ip: string };

type Kept = { client?: Client; fault?: Fault; freshUntil: number; staleUntil: number };
const kept = new LRUCache<string, Kept>({ max: 5000 });
const pending = new Map<string, Promise<Client>>();

/** §3: https, a path, nothing that two readers could read differently. Plain http is for a developer's own machine. */
function addressOf(id: string, production: boolean): URL | undefined {
  if (id.length > MAX_ADDRESS || !isDocumentId(id)) return undefined;
  const url = URL.parse(id);
  // Compared to the letter, so there is one way to write it; the parser takes dot segments and the like away.
  if (!url || url.href !== id || url.hash || id.includes('#') || url.username || url.password || url.pathname === '/')
    return undefined;
  if (/\/(?:\.|%2e){1,2}(?:\/|\?|$)/i.test(id)) return undefined;
  return url.protocol === 'https:' || (!production && isLoopbackHost(url.hostname)) ? url : undefined;
}

/** Whether the account takes clients from there. */
function isTaken({ account }: Tenant, { hostname }: URL): boolean {
  const { client_id_metadata_documents: mode, client_id_metadata_hosts: hosts } = account.oauth;
  return mode === 'any' || (mode === 'listed' && hosts.includes(hostname));
}

/**
 * The client of a document, as if it were a row: the same object for as long as the document holds.
 * @returns undefined for an id that is no such address, or not one that the account takes.
 * @throws Fault `invalid_client_metadata` for a document that cannot be had or used, `too_many_requests`.
 */
export async function clientOfDocument(
  tenant: Tenant,
  id: string,
  options: DocumentOptions,
): Promise<Client | undefined> {
  if (tenant.account.oauth.client_id_metadata_documents === 'off') return undefined;
  const url = addressOf(id, options.production);
  if (!url || !isTaken(tenant, url)) return undefined;
  const known = kept.get(id);
  if (known && known.freshUntil > Date.now()) {
    if (known.client) return known.client;
    throw known.fault!;
  }
  const request = pending.get(id) ?? load(tenant, url, known, options);
  pending.set(id, request);
  try {
    return await request;
  } finally {
    pending.delete(id);
  }
}

async function load(tenant: Tenant, url: URL, known: Kept | undefined, options: DocumentOptions): Promise<Client> {
  const retryAfterSeconds = await perAddress.consume(tenant, options.ip);
  const before = known?.client && known.staleUntil > Date.now() ? known : undefined;
  if (retryAfterSeconds !== null) {
    if (before?.client) return before.client;
    throw new Fault('too_many_requests', undefined, { retryAfterSeconds });
  }
  const until = (seconds: number) => Date.now() + seconds * 1000;
  try {
    const { document, seconds } = await read(url.href, options.fetch);
    const client = await clientOf(tenant, url, document, options.production);
    const fresh = Math.max(seconds, LEAST_SECONDS);
    kept.set(url.href, { client, freshUntil: until(fresh), staleUntil: until(fresh + STALE_SECONDS) });
    return client;
  } catch (error) {
    const fault =
      error instanceof Fault
        ? error
        : new Fault('invalid_client_metadata', 'The document at the client_id cannot be read.', { cause: error });
    // What was there is believed while the host is silent or broken, not once it says otherwise.
    const { status = 500 } = error as { status?: number };
    const stale = !(error instanceof Fault) && status >= 500 ? before : undefined;
    kept.set(url.href, {
      client: stale?.client,
      fault,
      freshUntil: until(COOLDOWN_SECONDS),
      staleUntil: stale?.staleUntil ?? 0,
    });
    if (stale?.client) return stale.client;
    throw fault;
  }
}

const refuse = (message: string): never => {
  throw new Fault('invalid_client_metadata', message);
};

async function read(address: string, fetch: DocumentFetch) {
  const response = await fetch(address);
  const body = Buffer.from(await response.arrayBuffer());
  if (body.length > MAX_BYTES) refuse(`The document at the client_id is larger than ${MAX_BYTES} bytes.`);
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(response.headers.get('content-type') ?? ''))
    refuse('The document at the client_id is not served as JSON.');
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    refuse('The document at the client_id is not JSON.');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    refuse('The document at the client_id is not a JSON object.');
  const seconds = Number(/max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1] ?? 0);
  return { document: document as Record<string, unknown>, seconds };
}

const PAGES = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri'] as const;

/** §4.1: it names itself, and shares no secret with us: everybody can read it. */
async function clientOf(
  tenant: Tenant,
  url: URL,
  document: Record<string, unknown>,
  production: boolean,
): Promise<Client> {
  if (document.client_id !== url.href) refuse('The document at the client_id is about another client.');
  if ('client_secret' in document || 'client_secret_expires_at' in document)
    refuse('The document at the client_id holds a secret.');
  const method = document.token_endpoint_auth_method ?? 'none';
  if (method !== 'none' && method !== 'private_key_jwt')
    refuse('The document at the client_id names an authentication method that needs a shared secret.');
  const input = await readMembers(
    tenant,
    { ...document, token_endpoint_auth_method: method },
    { forAnyAccount: true },
  ).catch((error: unknown) => {
    throw error instanceof Fault ? new Fault('invalid_client_metadata', error.message, { cause: error }) : error;
  });
  for (const page of PAGES)
    if (production && input[page] && !input[page].startsWith('https:')) refuse(`${page} must be an https address`);
  return {
    ...clients.spec.defaults(),
    ...input,
    id: url.href,
    client_id: url.href,
    name: input.name ?? url.host,
    // Who is behind it is the host that serves the document, whatever the document says.
    client_uri: input.client_uri && URL.parse(input.client_uri)?.host === url.host ? input.client_uri : url.origin,
    is_first_party: false,
    is_verified: false,
    grants: [],
  } as unknown as Client;
}
