/** Stands in place of a redirect that nobody asked for: a stranger's app wants the browser sent somewhere. */
import { type AppNotice, definePage, type PageCommon, type PageLeave } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';

type LeaveData = PageCommon & { appName: string; notice?: AppNotice; leave: PageLeave };

export const leavePage = definePage<LeaveData>({
  name: 'leave',
  policy: FLOW_PAGE,
  status: () => 400,
  words: ['leave', 'consent.notice'],
  samples: ({ form, host, address }) => ({
    leave: { ...form, leave: { action: address('/flow/leave'), host, fields: {} } },
    'leave-here': { ...form, notice: 'lookalike', leave: { action: address('/flow/leave'), fields: {} } },
  }),
});
