/** An authorization response as a form that goes to the app (OAuth 2.0 Form Post Response Mode). */
import { definePage, type PageCommon } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';

/** Posts `fields` to the app, by itself where scripts run. */
type FormPostData = PageCommon & {
  action: string;
  appName: string;
  /** Exact: sent as they are, shown nowhere. */
  fields: Record<string, string>;
};

export const formPostPage = definePage<FormPostData>({
  name: 'form-post',
  policy: FLOW_PAGE,
  words: ['form_post', 'signed_in.heading'],
  // Gone as soon as it is there.
  samples: () => ({}),
});
