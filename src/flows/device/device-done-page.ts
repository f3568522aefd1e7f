/** What became of the device: the rest happens there. */
import { definePage, type PageCommon } from '../shell/page.ts';

type DeviceDoneData = PageCommon & { allowed: boolean };

export const deviceDonePage = definePage<DeviceDoneData>({
  name: 'device-done',
  words: ['device.allowed', 'device.denied'],
  samples: ({ common }) => ({
    'device-allowed': { ...common, allowed: true },
    'device-denied': { ...common, allowed: false },
  }),
});
