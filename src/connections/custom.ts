/** Any OAuth 2 server that tells who somebody is, by the addresses that its documentation names. */
import Type from 'typebox';
import { clientSettings, issuerSettings, settings, WebAddress } from './settings.ts';
import type { Strategy } from './strategy.ts';

export const custom = {
  type: 'custom',
  title: 'OAuth 2',
  settings: settings({
    authorize_url: WebAddress,
    token_url: WebAddress,
    userinfo_url: WebAddress,
    ...clientSettings,
    ...issuerSettings,
    response_type: Type.String({ maxLength: 50 }),
  }),
  secrets: ['client_secret'],
} as const satisfies Strategy;
