/** What went wrong in the reader's words, and nothing technical but the request id. */
import type { MessageKey, Values } from '../../look/words.ts';
import { definePage, type PageData } from '../shell/page.ts';
import type { Sampler } from '../shell/sample.ts';
import { ERROR_PAGES } from './error-pages.ts';

type ErrorData = PageData & {
  status: number;
  titleKey: MessageKey;
  messageKey: MessageKey;
  values?: Values;
  action?: { href: string; labelKey: MessageKey };
};

export const errorPage = definePage<ErrorData>({
  name: 'error',
  status: ({ status }) => status,
  words: ['error', 'action'],
  samples,
});

function samples({ common, text, address }: Sampler): Record<string, ErrorData> {
  const shared = {
    ...common,
    values: { tenant: common.tenant.name, time: text('2 minutes') },
    action: { href: address('/again'), labelKey: 'action.start_again' },
  } as const;
  return Object.fromEntries(
    Object.entries(ERROR_PAGES).map(([happened, content]) => [
      happened === 'flow_expired' ? 'error' : `error-${happened}`,
      { ...shared, ...content },
    ]),
  );
}
