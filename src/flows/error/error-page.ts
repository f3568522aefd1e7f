/** What went wrong in the reader's words, and nothing technical but the request id. */
import type { FailureCause } from '../../kernel/error-reference.ts';
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
  /** In development: what whoever makes the app has to change. */
  cause?: Pick<FailureCause, 'error' | 'description' | 'received' | 'registered'>;
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
  const cause = {
    error: text('invalid_redirect_uri'),
    description: text('redirect_uri did not match'),
    received: text('http://localhost:3000/callbak', `https://orders.example/${'callback/'.repeat(30)}`),
    registered: [text('http://localhost:3000/callback'), text('https://orders.example/callback')],
  };
  const broken = { ...shared, ...ERROR_PAGES.broken_link, action: undefined };
  return {
    ...all,
    'error-development': { ...broken, cause },
    'error-development-none': { ...broken, cause: { ...cause, received: undefined, registered: [] } },
    'error-stranger': { ...shared, ...ERROR_PAGES.flow_expired, action: undefined, leave },
  };
}
