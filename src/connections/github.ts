/** Accounts at GitHub. */
import { clientSettings, settings } from './settings.ts';
import type { Strategy } from './strategy.ts';

export const github = {
  type: 'github',
  title: 'GitHub',
  mark: 'github',
  settings: settings(clientSettings),
  secrets: ['client_secret'],
  hasDefaultCredentials: true,
} as const satisfies Strategy;
