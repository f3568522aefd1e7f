/** Rows of earlier releases that are rewritten once, in this order, when the server starts (store/migrate.ts). */
import { jsonMembers } from '../resource/json-members.ts';
import { searchWords } from '../resource/search-words.ts';
import type { DataStep } from '../store/migrate.ts';
import { managementGrants } from './account/management-grants.ts';
import { publicSecrets } from './client/public-secrets.ts';
import { canonicalAddresses } from './user/canonical-addresses.ts';

export const DATA_STEPS: readonly DataStep[] = [
  canonicalAddresses,
  managementGrants,
  publicSecrets,
  searchWords,
  jsonMembers,
];
