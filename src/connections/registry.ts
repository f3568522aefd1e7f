/** THE list of connection types, in the order in which the API names them; and what follows from it. */
import type { TString } from 'typebox';
import { custom } from './custom.ts';
import { database } from './database.ts';
import { figma } from './figma.ts';
import { github } from './github.ts';
import { googleOauth2 } from './google-oauth2.ts';
import { oidc } from './oidc.ts';
import { passwordlessEmail } from './passwordless-email.ts';
import type { Capability, Strategy } from './strategy.ts';

export const STRATEGIES = [database, custom, github, figma, googleOauth2, oidc, passwordlessEmail] as const;

type Known = (typeof STRATEGIES)[number];
export type ConnectionType = Known['type'];
type NamesOf<S> = S extends { settings: { properties: infer F } } ? keyof F & string : never;
type SettingName = NamesOf<Known>;

export const CONNECTION_TYPES: readonly ConnectionType[] = STRATEGIES.map(({ type }) => type);

const BY_TYPE = Object.fromEntries(STRATEGIES.map((strategy: Strategy) => [strategy.type, strategy])) as Record<
  ConnectionType,
  Strategy
>;
export const strategyOf = (type: ConnectionType): Strategy => BY_TYPE[type];

export const offers = (type: ConnectionType, capability: Capability): boolean => capability in strategyOf(type);

const FIELDS = STRATEGIES.flatMap(({ settings }) => Object.entries(settings.properties));

/** Something for each setting that some type has; what two types call alike is alike. */
export const perSetting = <T>(make: (schema: TString, name: string) => T) =>
  Object.fromEntries(FIELDS.map(([name, schema]) => [name, make(schema, name)])) as Record<SettingName, T>;

export const SECRETS: readonly string[] = [...new Set(STRATEGIES.flatMap(({ secrets }) => secrets))];
