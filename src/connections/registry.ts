/** Connection type → strategy; the one list. */
import { database } from './database.ts';
import { oidc } from './oidc.ts';
import type { Strategy } from './strategy.ts';

const STRATEGIES: Record<string, Strategy> = { database, oidc };

export const strategyOf = (type: string): Strategy | undefined => STRATEGIES[type];
