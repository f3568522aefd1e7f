/** Connection type → strategy; the one list. */
import { database } from './database.ts';
import type { Strategy } from './strategy.ts';

const STRATEGIES: Record<string, Strategy> = { database };

export const strategyOf = (type: string): Strategy | undefined => STRATEGIES[type];
