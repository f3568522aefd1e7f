/** What went wrong in the reader's words, and nothing technical but the request id. */
import type { MessageKey, Values } from '../../look/words.ts';
import { definePage, type PageData, type PageLeave } from '../shell/page.ts';
import type { Sampler } from '../shell/sample.ts';
import { ERROR_PAGES } from './error-pages.ts';

type ErrorData = PageData & {
  status: number;
  titleKey: MessageKey;
  messageKey: MessageKey;
  values?: Values;
  action?: { href: string; labelKey: MessageKey };
  /** The same to an app that nobody vouches for. */
  leave?: PageLeave;
};

export const errorPage = definePage<ErrorData>({
  name: 'error',
  status: ({ status }) => status,
  words: ['error', 'action', 'leave.to', 'leave.here'],
  samples,
});

function samples({ common, text, address, host }: Sampler): Record<string, ErrorData> {
  const shared = {
    ...common,
    values: { tenant: common.tenant.name, time: text('2 minutes') },
    action: { href: address('/again'), labelKey: 'action.to_app' },
  } as const;
  const all = Object.fromEntries(
    Object.entries(ERROR_PAGES).map(([happened, content]) => [
      happened === 'flow_expired' ? 'error' : `error-${happened}`,
      { ...shared, ...content },
    ]),
  );
  const leave = { action: address('/flow/leave'), host, fields: {} };
  return { ...all, 'error-stranger': { ...shared, ...ERROR_PAGES.flow_expired, action: undefined, leave } };
}
