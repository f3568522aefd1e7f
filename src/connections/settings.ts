/** What connections of several types are set up with, in the words of RFC 6749 and OpenID Connect Discovery. */
import Type, { type TString } from 'typebox';
import { WEB_URL } from '../kernel/text.ts';

/** The settings of a type: these and no others. */
export const settings = <F extends Record<string, TString>>(fields: F): Type.TObject<F> =>
  Type.Object(fields, { additionalProperties: false });

export const WebAddress = Type.String({ maxLength: 2048, pattern: WEB_URL });

/** Who we are at the other side. */
export const clientSettings = {
  client_id: Type.String({ maxLength: 500 }),
  client_secret: Type.String({ maxLength: 2000 }),
};

/** Whose tokens are trusted, and the keys that they are signed with. */
export const issuerSettings = { issuer: WebAddress, jwks_url: WebAddress };
