/**
 * Who may do what through the API: the access table, as data. Every route names the rows it falls under; a
 * test generates every cell and fails for a route that names none.
 */

/** Columns. `reviewer` and `owner` are not roles: they follow from the request, the teams and the profile. */
export const PARTIES = ['requester', 'reviewer', 'owner', 'policy_admin', 'auditor', 'machine', 'agent'] as const
export type Party = (typeof PARTIES)[number]

/**
 * `yes`; `own`: only what is theirs, assigned to them, or their team's; `second`: not before a second person agrees;
 * `metadata`: that it exists and how it stands, without the payload; `no`.
 */
export type Cell = 'yes' | 'own' | 'second' | 'metadata' | 'no'

type Row = Readonly<Record<Party, Cell>>
const row = (
  requester: Cell,
  reviewer: Cell,
  owner: Cell,
  policy_admin: Cell,
  auditor: Cell,
  machine: Cell,
  agent: Cell,
): Row => ({ requester, reviewer, owner, policy_admin, auditor, machine, agent })

/** The order of the columns is that of `PARTIES`. */
export const ACCESS = {
  create_request: row('yes', 'yes', 'yes', 'yes', 'no', 'own', 'own'),
  read_request: row('own', 'own', 'own', 'metadata', 'yes', 'own', 'own'),
  approve: row('no', 'own', 'own', 'no', 'no', 'no', 'no'),
  deny: row('no', 'own', 'own', 'no', 'no', 'no', 'no'),
  /** What was done otherwise than they approved; never their own. */
  acknowledge: row('no', 'own', 'own', 'no', 'no', 'no', 'no'),
  withdraw: row('own', 'no', 'own', 'no', 'no', 'own', 'own'),
  use_grant: row('own', 'no', 'no', 'no', 'no', 'own', 'own'),
  revoke_early: row('own', 'own', 'own', 'yes', 'no', 'own', 'own'),
  /** Profiles, rules and teams are documents: owners, agents and machines propose, an administrator changes them, and another agrees. */
  edit_documents: row('no', 'no', 'second', 'second', 'no', 'second', 'second'),
  read_record: row('own', 'own', 'own', 'yes', 'yes', 'no', 'own'),
  /** What entries of the record say, for good; that they were stays. */
  erase_bodies: row('no', 'no', 'no', 'yes', 'no', 'no', 'no'),
  /** Who is or was connected to what, and since when. */
  read_sessions: row('own', 'own', 'own', 'yes', 'yes', 'own', 'own'),
  /** What ran in a session. Whoever ran it knows; reading it back is for others, and an auditor's reading is recorded. */
  read_recordings: row('no', 'own', 'own', 'no', 'yes', 'no', 'no'),
  /** Names and facts of resources, teams and rules: whoever may ask must be able to find what to ask for. */
  read_catalogue: row('yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes'),
  /** Asking what policy would say, for anybody. Agents and machines ask for themselves and their sponsor. */
  explain: row('yes', 'yes', 'yes', 'yes', 'yes', 'own', 'own'),
  /** Having somebody answer in one's place. */
  hand_on: row('own', 'own', 'own', 'own', 'no', 'no', 'no'),
  /** One's own sign-in and tokens. */
  own_account: row('own', 'own', 'own', 'own', 'own', 'own', 'own'),
  /** Accounts, roles, tokens of machines, sealed secrets. */
  manage_accounts: row('no', 'no', 'no', 'yes', 'no', 'no', 'no'),
  /** A request's state, digest and reviewers are set by the program, whoever asks. */
  set_state: row('no', 'no', 'no', 'no', 'no', 'no', 'no'),
  /** Before anyone is signed in. */
  anyone: row('yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes'),
} as const satisfies Readonly<Record<string, Row>>

export type AccessRow = keyof typeof ACCESS
