/**
 * Every refusal there is, and how people are told. This one table becomes problem documents (RFC 9457),
 * the CLI's `error:` and `hint:` lines and exit codes, and the reasons on disabled buttons.
 */
interface Told {
  /** HTTP status. */
  readonly status: 400 | 401 | 403 | 404 | 409 | 410 | 422 | 429 | 503
  readonly title: string
  readonly hint?: string
}

export const REFUSALS = {
  invalid_input: { status: 400, title: 'The input is not valid.' },
  not_signed_in: { status: 401, title: 'You are not signed in.', hint: 'Sign in with: hp login' },
  wrong_credentials: { status: 401, title: 'The name or the password is wrong.' },
  too_many_attempts: { status: 429, title: 'Too many attempts. Wait before the next one.' },
  setup_done: { status: 409, title: 'This installation has an administrator already.' },
  wrong_code: {
    status: 403,
    title: 'The one-time code is wrong or used.',
    hint: 'It is printed on the terminal where Holdpoint was started.',
  },
  not_permitted: { status: 403, title: 'Your roles do not permit this.' },
  scope_too_narrow: {
    status: 403,
    title: 'This token was not made for this.',
    hint: 'Sign in, or use a token with the scope that is named.',
  },
  read_only_field: { status: 403, title: 'This field is set by the program, never by a client.' },
  /** Also for what exists and may not be seen. */
  not_found: { status: 404, title: 'There is no such thing, or you may not see it.' },
  already_exists: { status: 409, title: 'There is one already.' },
  not_pending: { status: 409, title: 'The request is decided already.' },
  expired: { status: 410, title: 'The time is up.', hint: 'Ask again with: hp retry ID' },
  self_review: { status: 403, title: 'Nobody approves what they asked for.' },
  not_eligible: { status: 403, title: 'You are not among those who were asked when the request was opened.' },
  already_reviewed: { status: 409, title: 'You have answered this request already.' },
  changed: { status: 409, title: 'The request is not what you were shown. Look again.' },
  words_required: { status: 400, title: 'A denial needs words that the requester will read.', hint: 'Add: -m "..."' },
  not_shorter: { status: 400, title: 'A reviewer may shorten the time, not lengthen it.' },
  not_fewer: { status: 400, title: 'A reviewer may lower the number of rows that policy agrees to, not raise it.' },
  rows_required: {
    status: 400,
    title: 'Policy caps this at a multiple of an estimate that is not known. An approval must say how many rows.',
    hint: 'Add: --rows N',
  },
  rows_not_counted: {
    status: 400,
    title: 'The rows of this cannot be counted while it runs, so no number would hold.',
  },
  not_divergent: { status: 409, title: 'There is nothing about it that waits for a review afterwards.' },
  acknowledged: { status: 409, title: 'Somebody has acknowledged it already.' },
  not_failed: { status: 409, title: 'Only what has failed is tried again from here.' },
  not_active: { status: 409, title: 'There is no access in force: it has not begun, or has ended.' },
  scope_not_allowed: {
    status: 403,
    title: 'Policy lets this be approved only one action at a time.',
    hint: 'Run it in your own client: it waits there.',
  },
  denied_by_policy: { status: 403, title: 'Policy refuses this.' },
  nothing_to_approve: { status: 409, title: 'Policy allows this without a review. Run it.' },
  not_retryable: {
    status: 409,
    title: 'This cannot be sent again from here.',
    hint: 'Run it again in your own client.',
  },
  reason_required: {
    status: 400,
    title: 'Policy asks for a reason.',
    hint: "Add --reason '...', or in SQL: SET holdpoint.reason = '...'",
  },
  stale_base: {
    status: 409,
    title: 'The documents changed since you read them.',
    hint: 'Look at the difference again: hp diff',
  },
  documents_invalid: { status: 422, title: 'The documents have errors. Nothing was changed.' },
  shown_once: {
    status: 409,
    title: 'This was done already, and its answer held a secret that is shown once.',
    hint: 'Take back what was made, and ask again with another key.',
  },
  key_reused: { status: 422, title: 'This idempotency key was used with another body.' },
  last_administrator: { status: 409, title: 'Somebody must stay administrator.' },
  weak_password: {
    status: 400,
    title: 'A password needs at least 12 characters, and must not be among the common ones.',
  },
  target_unreachable: { status: 503, title: 'The target does not answer.' },
  policy_unavailable: { status: 503, title: 'Policy could not be read; nothing passes until it can.' },
  store_unavailable: { status: 503, title: 'The store does not answer; nothing passes until it does.' },
} as const satisfies Readonly<Record<string, Told>>

export type Refusal = keyof typeof REFUSALS
