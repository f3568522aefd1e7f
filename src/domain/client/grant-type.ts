/**
 * The grant types that there are (RFC 6749 §1.3), for whoever has to know them and not how they work: clients, which have
 * some of them, the documentation, and all that may not show a secret. Each is a record that lives beside its handler and
 * enters here when it is loaded, which is before anything is served.
 */
export type GrantParameter = {
  /** What the OpenAPI document says of it; left out there without. */
  description?: string;
  /**
   * `lasting`: good until it is changed, or for whoever finds it, so it belongs in no address and no log. `fleeting`: good
   * once and for minutes, which may stand in an address, and still is nothing to copy into a token.
   */
  secret?: 'lasting' | 'fleeting';
};

export type GrantTypeRecord = {
  /** As the wire has it. */
  name: string;
  /** Its place among the grant types that a client has unless it says otherwise; none: whoever needs it asks for it. */
  byDefault?: number;
  /** Whether it has a password looked at: it is refused before anything else is done where too many of the tenant's wait. */
  hashes?: true;
  /** Those of its own, besides what every token request has. */
  parameters: Readonly<Record<string, GrantParameter>>;
};

const records: GrantTypeRecord[] = [];
const secrets: Record<'lasting' | 'fleeting', Set<string>> = {
  lasting: new Set(['client_secret', 'client_assertion']),
  fleeting: new Set(),
};

/** What a client may have: those of the defaults first. Grows while the records enter, and schemas that hold it with it. */
export const grantTypeNames: string[] = [];

export function enterGrantTypes(list: readonly GrantTypeRecord[]): void {
  records.push(...list);
  const others = records.filter(({ byDefault }) => byDefault === undefined);
  grantTypeNames.splice(0, grantTypeNames.length, ...[...ofDefault(), ...others].map(({ name }) => name));
  for (const [name, { secret }] of list.flatMap(({ parameters }) => Object.entries(parameters)))
    if (secret) secrets[secret].add(name);
}

export const hashes = (name: string | null): boolean => records.some((one) => one.name === name && one.hashes);

const ofDefault = (): GrantTypeRecord[] =>
  records.filter(({ byDefault }) => byDefault !== undefined).sort((a, b) => a.byDefault! - b.byDefault!);

export const defaultGrantTypes = (): string[] => ofDefault().map(({ name }) => name);

/** In the order in which they are documented. */
export const grantTypes = (): readonly GrantTypeRecord[] => records;

/** Parameters of token requests whose values are nobody's but the two sides'. @param worth those of one kind alone. */
export const secretParameters = (worth?: GrantParameter['secret']): ReadonlySet<string> =>
  worth ? secrets[worth] : secrets.lasting.union(secrets.fleeting);
