/** Where a user is logged in, and the apps that go on without a browser. */
import type { AgentWords } from '../../kernel/user-agent.ts';
import type { Translate } from '../../look/words.ts';
import { definePage, type PageCommon } from '../shell/page.ts';

export type Device = {
  agent: AgentWords;
  /** True for the browser that looks. */
  here: boolean;
  /** About where: `203.0.113.…`. */
  network?: string;
  /** In words: `3 hours ago`. */
  lastUsed: string;
  since: string;
  /** Names of the apps that it was used for. */
  apps: string[];
  endHref?: string;
};

type DevicesData = PageCommon & {
  devices: Device[];
  /** How many there are besides. */
  more: number;
  programs: { name: string; since: string; endHref: string }[];
  ended: boolean;
  /** Ends all but this one, where there are others. */
  othersHref?: string;
  backHref: string;
};

/** `Firefox on Windows`, as far as it is known. */
export function deviceName({ browser, system }: AgentWords, t: Translate): string {
  if (browser && system) return t('device.on', { browser, system });
  return browser ?? system ?? t('device.unknown');
}

export const devicesPage = definePage<DevicesData>({
  name: 'devices',
  words: ['devices', 'device', 'account.back'],
  view: ({ devices }, t) => ({ names: devices.map(({ agent }) => deviceName(agent, t)) }),
  samples({ common, address, text }) {
    const here: Device = {
      agent: { browser: 'Firefox', system: 'Windows' },
      here: true,
      network: text('203.0.113.…', '2001:db8:1234:…'),
      lastUsed: text('this minute'),
      since: text('3 March 2026'),
      apps: [text('Orders', common.appName)],
    };
    const other: Device = {
      ...here,
      here: false,
      lastUsed: text('3 hours ago'),
      endHref: address('/account/sessions/1'),
    };
    const unknown: Device = { ...other, agent: {}, network: undefined, apps: [] };
    const usual = { ...common, more: 0, programs: [], ended: false, backHref: address('/account') };
    const program = { name: text('Orders TV', common.appName), since: text('3 March 2026'), endHref: address('/end') };
    return {
      'devices-one': { ...usual, devices: [here], ended: true },
      devices: {
        ...usual,
        devices: [here, other, unknown],
        programs: [program],
        othersHref: address('/account/sessions/others'),
      },
      'devices-many': { ...usual, devices: [here, ...Array<Device>(9).fill(other)], more: 12 },
    };
  },
});
