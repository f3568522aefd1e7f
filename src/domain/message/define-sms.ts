/**
 * A kind of message that leaves as a text message: a kind like every other, with what all of them may say besides, and the
 * words that say it. A code comes first, where a locked screen shows it, and again in the last line, by which a browser
 * fills it in at the host that it is for and nowhere else (https://wicg.github.io/sms-one-time-codes).
 */
import Type, { type Static, type TObject, type TProperties } from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { withoutControls } from '../../kernel/text/shown.ts';
import { type MessageKey, translator } from '../../look/words.ts';
import { type Address, defineMessage, type MessageKind } from '../../outbox/message.ts';
import { durationOf, mailLocale } from '../mail/compose.ts';

/** What every text message may say besides. */
const COMMON = {
  /** The language that it was asked for in; without it the user's own, then the tenant's first. */
  locale: Type.Optional(Type.String()),
  /** Six digits to type, and the seconds for which they work. */
  code: Type.Optional(Type.String()),
  expires_in: Type.Optional(Type.Integer()),
  /** Id of the user that it is about. */
  user: Type.Optional(Type.String()),
};
type Common = Static<TObject<typeof COMMON>>;

export type SmsKind<T extends string = string, D = unknown> = MessageKind<T, 'sms', D> & {
  words: MessageKey;
  samples: Readonly<Record<string, object>>;
};

export function defineSms<const T extends string, P extends TProperties>(definition: {
  type: T;
  words: MessageKey;
  data: P;
  samples: Record<string, Static<TObject<typeof COMMON & P>>>;
  happened(tenant: Tenant, address: Address): Promise<boolean>;
}): SmsKind<T, Static<TObject<typeof COMMON & P>>> {
  const { words, samples, ...kind } = definition;
  const message = defineMessage({ ...kind, channel: 'sms', data: { ...COMMON, ...kind.data } });
  return { ...(message as unknown as MessageKind<T, 'sms', Static<TObject<typeof COMMON & P>>>), words, samples };
}

/** The text of a message; one segment unless its tenant's name is in a script that a segment holds little of. */
export function smsText(tenant: Tenant, { words }: SmsKind, data: Common, userLocale?: string | null): string {
  const locale = mailLocale(tenant, { data, userLocale });
  const values = {
    ...data,
    tenant: shortName(withoutControls(tenant.account.name)),
    duration: data.expires_in === undefined ? '' : durationOf(data.expires_in, locale),
  };
  const said = translator(locale)(words, values as Record<string, string | number>);
  return data.code === undefined ? said : `${said}\n\n@${new URL(tenant.origin).hostname} #${data.code}`;
}

/** A text of these letters has 160 in a segment, and one with any other has 70 (3GPP TS 23.038 §6.2.1). */
const GSM = /^[\n !"#$%&'()*+,\-./0-9:;<=>?@A-Z_a-z£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà]*$/;
const NAME_LENGTH = 40;

/** Without its accents, where that keeps the text in the alphabet that is short. */
function shortName(name: string): string {
  const bare = name.normalize('NFKD').replace(/\p{M}/gu, '');
  const fitting = !GSM.test(name) && GSM.test(bare) ? bare : name;
  const letters = [...fitting];
  return letters.length > NAME_LENGTH
    ? `${letters
        .slice(0, NAME_LENGTH - 3)
        .join('')
        .trimEnd()}...`
    : fitting;
}
