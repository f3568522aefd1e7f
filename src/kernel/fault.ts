/**
 * The one error class and its table: HTTP status, public sentence, OAuth code. Rendering belongs to each surface
 * (management JSON, OAuth JSON, pages); `detail` and `cause` are for the log and never leave the process.
 */

type Row = {
  /** HTTP status of the management API and of pages. */
  status: number;
  /** What a stranger may read. */
  message: string;
  /** RFC 6749 §5.2 / RFC 6750 §3.1 code, where the OAuth surface may answer this. */
  oauth?: string;
  /** True when telling this code apart from its siblings would reveal whether an account exists. */
  reveals?: true;
};

export const FAULTS = {
  invalid_request: { status: 400, message: 'The request is malformed.', oauth: 'invalid_request' },
  validation: { status: 400, message: 'The request does not match the schema.', oauth: 'invalid_request' },
  invalid_client_metadata: {
    status: 400,
    message: "The client's metadata cannot be accepted.",
    oauth: 'invalid_client_metadata',
  },
  invalid_redirect_uri: {
    status: 400,
    message: 'A redirect URI cannot be accepted.',
    oauth: 'invalid_redirect_uri',
  },
  invalid_query: { status: 400, message: 'The query is malformed.' },
  invalid_cursor: { status: 400, message: 'The cursor is not one that this list gave out.' },
  same_as_current_email: { status: 400, message: 'This is the current email address already.' },
  provider_token_expired: {
    status: 400,
    message: "The provider's token has expired and cannot be refreshed. The user has to authorize again.",
  },
  password_policy: { status: 400, message: 'The password does not meet the policy of its connection.' },
  password_breached: {
    status: 400,
    message: 'This password is on lists of passwords that leaked elsewhere. Choose another.',
  },
  unauthorized: { status: 401, message: 'A valid access token is required.', oauth: 'invalid_token' },
  invalid_token: {
    status: 401,
    message: 'The access token is missing, malformed, expired or revoked.',
    oauth: 'invalid_token',
  },
  invalid_dpop_proof: {
    status: 401,
    message: 'The DPoP proof is missing, malformed, too old or for another request.',
    oauth: 'invalid_dpop_proof',
  },
  insufficient_user_authentication: {
    status: 401,
    message: 'The login behind the access token is too old for this. Log in again.',
  },
  aud_mismatch: { status: 403, message: 'The access token was not issued for this account.' },
  insufficient_scope: {
    status: 403,
    message: 'The access token lacks a permission that this operation needs.',
    oauth: 'insufficient_scope',
  },
  forbidden: { status: 403, message: 'This is not allowed.', oauth: 'access_denied' },
  user_suspended: { status: 403, message: 'user is suspended', oauth: 'invalid_grant', reveals: true },
  signup_disabled: { status: 403, message: 'Nobody can sign up here.' },
  csrf: { status: 403, message: 'This form has expired. Open the page again and retry.' },
  challenge_required: {
    status: 400,
    message: 'This account asks for a challenge to be solved first: GET /challenge, and send challenge_response.',
  },
  challenge_failed: { status: 400, message: 'The challenge was not solved, has expired or was used already.' },
  not_found: { status: 404, message: 'Not found.' },
  unknown_host: { status: 404, message: 'No account is served at this address.' },
  method_not_allowed: { status: 405, message: 'The method is not supported at this address.' },
  conflict: { status: 409, message: 'This already exists.' },
  changed_meanwhile: { status: 409, message: 'This was changed at the same moment. Read it and try again.' },
  rotated_recently: {
    status: 409,
    message: 'The keys were rotated a moment ago. The next one has to be known to everybody before it signs.',
  },
  email_already_exists: { status: 409, message: 'This email address belongs to another user.' },
  email_taken: { status: 409, message: 'This email address has an account already.' },
  username_taken: { status: 409, message: 'This username is somebody else’s.' },
  protected: { status: 409, message: 'This is needed and cannot be removed.' },
  payload_too_large: { status: 413, message: 'The request body is too large.', oauth: 'invalid_request' },
  uri_too_long: { status: 414, message: 'The address is too long.', oauth: 'invalid_request' },
  headers_too_large: { status: 431, message: 'The headers of the request are too large.', oauth: 'invalid_request' },
  request_timeout: { status: 408, message: 'The request took too long to arrive.', oauth: 'invalid_request' },
  unsupported_media_type: {
    status: 415,
    message: 'The content type of the request is not supported.',
    oauth: 'invalid_request',
  },
  invalid_reference: { status: 422, message: 'A reference in the request points to nothing.' },
  too_many_requests: { status: 429, message: 'Too many requests. Try again later.', oauth: 'invalid_request' },
  wrong_credentials: { status: 401, message: 'Wrong email or password.', oauth: 'invalid_grant' },
  unknown_user: { status: 401, message: 'Wrong email or password.', oauth: 'invalid_grant', reveals: true },
  locked_out: { status: 429, message: 'Too many attempts. Try again later.', oauth: 'invalid_grant' },
  mfa_required: { status: 403, message: 'Multifactor authentication required.', oauth: 'mfa_required' },
  login_over: { status: 400, message: 'the login is not valid any more', oauth: 'invalid_grant' },
  invalid_target: { status: 400, message: 'unknown audience', oauth: 'invalid_target' },
  consent_required: {
    status: 400,
    message: 'the user has to allow this in a browser',
    oauth: 'consent_required',
  },
  login_required: { status: 401, message: 'Log in first.', oauth: 'login_required' },
  unknown_device_code: { status: 400, message: 'This code is wrong or has expired.', oauth: 'invalid_grant' },
  wrong_code: { status: 401, message: 'This code is wrong or has expired.', oauth: 'invalid_grant' },
  link_unknown: { status: 404, message: 'This link does not work.' },
  link_used: { status: 410, message: 'This link was used already.' },
  link_expired: { status: 410, message: 'This link has expired.' },
  bad_subject_token: { status: 400, message: 'The subject token is malformed.', oauth: 'invalid_request' },
  refused_subject_token: {
    status: 401,
    message: 'The signature, audience or lifetime of the subject token is wrong.',
    oauth: 'invalid_request',
  },
  untrusted_issuer: {
    status: 403,
    message: 'The issuer of the subject token is not trusted.',
    oauth: 'invalid_request',
  },
  upstream_failed: {
    status: 503,
    message: 'The other side could not be reached. Try again shortly.',
    oauth: 'temporarily_unavailable',
  },
  no_transport: {
    status: 503,
    message: 'This server cannot send mails. Whoever runs it has to set up a mail transport.',
    oauth: 'temporarily_unavailable',
  },
  flow_expired: { status: 410, message: 'This sign-in has expired.' },
  internal: { status: 500, message: 'Something went wrong on our side.', oauth: 'server_error' },
  unavailable: {
    status: 503,
    message: 'The service is temporarily unavailable. Try again shortly.',
    oauth: 'temporarily_unavailable',
  },
} as const satisfies Record<string, Row>;

/** When to try again what is unavailable: an election or a restart takes that long. */
export const SHORTLY_SECONDS = 2;

export type FaultCode = keyof typeof FAULTS;

export type FaultOptions = {
  /** Structured, public: the failing path, the missing permission. Sent as `details` by the management API. */
  details?: unknown;
  /** Private: for the log only. */
  detail?: unknown;
  cause?: unknown;
  /** Seconds after which a retry makes sense; sent as Retry-After (RFC 9110 §10.2.3). */
  retryAfterSeconds?: number;
};

export class Fault extends Error {
  readonly code: FaultCode;
  readonly details: unknown;
  readonly detail: unknown;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: FaultCode, message?: string, options: FaultOptions = {}) {
    super(message ?? FAULTS[code].message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.code = code;
    this.details = options.details;
    this.detail = options.detail;
    this.retryAfterSeconds = options.retryAfterSeconds ?? (code === 'unavailable' ? SHORTLY_SECONDS : undefined);
  }

  get row(): Row {
    return FAULTS[this.code];
  }
}
