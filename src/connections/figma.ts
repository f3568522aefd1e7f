/** Accounts at Figma. */
import { clientSettings, settings } from './settings.ts';
import type { Strategy } from './strategy.ts';

export const figma = {
  type: 'figma',
  title: 'Figma',
  mark: 'figma',
  settings: settings(clientSettings),
  secrets: ['client_secret'],
  hasDefaultCredentials: true,
} as const satisfies Strategy;
