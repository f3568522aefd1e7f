/** Asks before a device is logged out, or all others are. */
import type { AgentWords } from '../../kernel/user-agent.ts';
import { definePage, type PageCommon } from '../shell/page.ts';
import { deviceName } from './devices-page.ts';

/** Posts `csrf`. */
type DeviceEndData = PageCommon & {
  action: string;
  csrf: string;
  what: 'device' | 'program' | 'others';
  agent?: AgentWords;
  /** Of a program. */
  programName?: string;
  keepHref: string;
};

export const deviceEndPage = definePage<DeviceEndData>({
  name: 'device-end',
  words: ['device_end', 'device'],
  view: ({ agent, programName }, t) => ({ device: programName ?? deviceName(agent ?? {}, t) }),
  samples({ form, address, text }) {
    const usual = { ...form, keepHref: address('/account/sessions') };
    return {
      'device-end': { ...usual, what: 'device', agent: { browser: 'Firefox', system: 'Windows' } },
      'device-end-program': { ...usual, what: 'program', programName: text('Orders TV', form.appName) },
      'device-end-others': { ...usual, what: 'others' },
    };
  },
});
