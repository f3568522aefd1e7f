/** The login page: who you are and your password, or one of the other ways in. */
import type { MessageKey, Translate, Values } from '../../look/words.ts';
import { definePage, type PageBack, type PageCommon, type PageGuest } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';
import type { Sampler } from '../shell/sample.ts';

export type LoginError = {
  /** Where the message sits. Absent or null: above the form, and the password is asked for again. */
  field?: 'email' | 'password' | null;
  key: MessageKey;
  values?: Values;
};

type LoginConnection = {
  id: string;
  label: string;
  /** `google`, `github`, `figma` have a mark of their own; every other type shows its label's initial. */
  type: string;
  href: string;
  /** What its button says; default "Continue with" its label. */
  words?: MessageKey;
  /** The one this browser used last time. */
  lastUsed?: boolean;
};

/** Posts `email`, `password`, `csrf` and, when given, `connection`. */
type LoginData = PageCommon & {
  action: string;
  appName: string;
  csrf: string;
  email?: string;
  /** What the identifier field accepts; default `email`. */
  identifier?: 'email' | 'email_or_username';
  error?: LoginError;
  passwordEnabled: boolean;
  /** Who it is first, then the password. Absent: both at once. */
  step?: 'identifier' | 'password';
  /** Back to who it is. */
  changeHref?: string;
  /** Id of the password connection, posted back as `connection`. */
  connection?: string;
  /** Every other way in, in the tenant's order. The first four show, the rest sit behind "More ways to log in". */
  connections: LoginConnection[];
  forgotHref?: string;
  signupHref?: string;
  back?: PageBack;
  /** Of a guest: nobody here has been there, and nobody at the tenant has seen it. */
  guest?: PageGuest;
};

const CONNECTIONS_SHOWN = 4;

export const loginPage = definePage<LoginData>({
  name: 'login',
  policy: FLOW_PAGE,
  view,
  words: ['login', 'back', 'consent.notice', 'consent.destination', 'consent.destination_here'],
  samples,
});

/** Where the focus goes and which messages belong to which field: the first thing wrong, else the first thing empty. */
function view(data: LoginData, t: Translate) {
  const { error } = data;
  const connections = data.connections.filter((connection) => connection.href);
  const message = error && t(error.key, error.values);
  const rest = connections.slice(CONNECTIONS_SHOWN);
  return {
    errors: {
      form: error?.field ? undefined : message,
      email: error?.field === 'email' ? message : undefined,
      password: error?.field === 'password' ? message : undefined,
    },
    focus: error?.field ?? (data.email && data.step !== 'identifier' ? 'password' : 'email'),
    identifier: data.identifier ?? 'email',
    shown: connections.slice(0, CONNECTIONS_SHOWN),
    rest,
    restOpen: rest.some((connection) => connection.lastUsed),
  };
}

function samples({ form, common, email, host, text, address }: Sampler): Record<string, LoginData> {
  const usual: LoginData = {
    ...form,
    passwordEnabled: true,
    connection: 'c0',
    connections: [],
    forgotHref: address('/forgot'),
    signupHref: address('/signup'),
    back: { action: address('/back'), to: text('Orders', common.appName) },
  };
  const connections = ['google', 'github', 'figma', 'oidc', 'oauth2', 'saml'].map((type, i) => ({
    id: `c${i}`,
    label: text(type, `Bundesverwaltungsgerichtsidentitätsanbieter ${type}`),
    type,
    href: address(`/c/${i}`),
    lastUsed: i === 1 || i === 4,
  }));
  const byMail = {
    id: 'c9',
    label: text('Email'),
    type: 'mail',
    words: 'login.mail',
    href: address('/mail'),
    lastUsed: true,
  } as const;
  const wrong = (key: MessageKey, field?: 'email' | 'password'): LoginData => ({
    ...usual,
    email,
    error: { field, key, values: { tenant: common.tenant.name, time: text('3 minutes'), connection: text('GitHub') } },
  });
  return {
    login: { ...usual, connections: connections.slice(0, 2) },
    'login-guest': { ...usual, guest: { notice: 'unverified', destination: host } },
    'login-wrong': wrong('login.error.wrong_credentials'),
    'login-suspended': wrong('login.error.user_suspended'),
    'login-connection': wrong('login.error.connection_failed'),
    'login-email': wrong('login.error.email_missing', 'email'),
    'login-password': wrong('login.error.password_missing', 'password'),
    'login-others': { ...usual, passwordEnabled: false, connections },
    'login-first': { ...usual, step: 'identifier', email, connections: [byMail] },
    'login-then': { ...usual, step: 'password', email, changeHref: address('/flow/1'), connections: [byMail] },
    'login-then-wrong': {
      ...wrong('login.error.wrong_credentials', 'password'),
      step: 'password',
      changeHref: address('/flow/1'),
    },
    'login-none': { ...usual, passwordEnabled: false, back: { action: address('/back') } },
  };
}
