/** What a device asks for and from where, for its user to compare and to decide. */
import type { Permission } from '../consent/app-words.ts';
import { type AppNotice, definePage, type PageCommon, type PageUser } from '../shell/page.ts';
import type { Sampler } from '../shell/sample.ts';

/** Posts `device_code`, `decision` = `allow` | `deny` and `csrf`. */
type DeviceConfirmData = PageCommon & {
  action: string;
  appName: string;
  appLogo?: string;
  csrf: string;
  /** What stands for the device while the person decides. */
  device: string;
  /** As the device shows it, to be compared. */
  code: string;
  /** What the device calls itself: anybody's words. */
  deviceName?: string;
  /** Where the device asked from. */
  address: string;
  sameNetwork: boolean;
  user: PageUser;
  permissions: Permission[];
  notice?: AppNotice;
  /** Where access is removed, when it is remembered. */
  appsAddress?: string;
  switchAccountHref: string;
};

export const deviceConfirmPage = definePage<DeviceConfirmData>({
  name: 'device-confirm',
  words: ['device.confirm', 'consent', 'scope', 'claim', 'user'],
  samples,
});

function samples(sample: Sampler): Record<string, DeviceConfirmData> {
  const { form, user, permissions, text, address, badAddress } = sample;
  const asking = {
    ...form,
    appLogo: badAddress,
    device: 'd.1',
    code: 'ABCD-1234',
    deviceName: text('marcs-mbp (macOS)', 'Wohnzimmerfernsehgerät von Maximiliane '.repeat(5)),
    address: text('2001:db8:85a3:8d3:1319:8a2e:370:7348'),
    user,
    switchAccountHref: address('/authorize'),
  };
  return {
    'device-confirm': { ...asking, sameNetwork: true, permissions: [] },
    'device-confirm-third': { ...asking, sameNetwork: false, permissions },
  };
}
