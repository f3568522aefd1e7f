/** Where a user types the code that a device shows. */
import type { MessageKey, Values } from '../../look/words.ts';
import { definePage, type PageCommon } from '../shell/page.ts';

/** A GET form: sends `user_code`, and `lang` when given. */
type DeviceActivateData = PageCommon & {
  action: string;
  lang?: string;
  code?: string;
  error?: { key: MessageKey; values?: Values };
};

export const deviceActivatePage = definePage<DeviceActivateData>({
  name: 'device-activate',
  words: ['device.activate', 'device.error'],
  samples: ({ common, text, address }) => ({
    'device-activate': { ...common, action: address('/flow/x') },
    'device-activate-wrong': {
      ...common,
      action: address(''),
      code: text('ABCD-1234'),
      error: { key: 'device.error.unknown' },
    },
    'device-activate-too-many': {
      ...common,
      action: address(''),
      code: text('ABCD-1234'),
      error: { key: 'device.error.too_many', values: { time: text('12 minutes') } },
    },
  }),
});
