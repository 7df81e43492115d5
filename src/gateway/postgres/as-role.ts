import type { SessionEffect } from '../../classify/postgres/shape.ts'
import type { Work } from '../../app/gateway/work.ts'
import type { Told } from '../../wire/postgres/encode.ts'
import type { Desk } from './desk.ts'
import type { Leave } from './hold.ts'
import { failure, notUnderstood } from './told.ts'

/*
 * A statement under a grant with a role of its own runs as that role, and nothing else does:
 *
 *   simple query      assume | the stored bytes | leave
 *   COPY FROM STDIN   assume | the stored bytes, the rows | leave, before the client's next message
 *   extended          assume | Bind, Execute | leave, before whatever is neither Describe, Flush nor an Execute of the same
 *
 * Assuming and leaving read back who the session is. In a transaction that has failed it stays the role, which can do
 * nothing there; the target takes the role back with the transaction, and that is read back before the next statement.
 */

/** The session runs as the role of a grant now. */
export interface Assumed {
  readonly role: string
  /** Who it is otherwise. */
  readonly base: string
}

/** INVARIANT: what ends or marks a place in a transaction could bring the role back after it was left. */
const MOVES: ReadonlySet<SessionEffect['kind']> = new Set([
  'begin',
  'commit',
  'rollback',
  'other_transaction',
  'savepoint',
  'release',
  'rollback_to',
])
const ALONE = 'what ends or begins a transaction, or sets a savepoint, is sent by itself where a grant has its own role'
const NOT_NOW = failure('the session could not assume the role of the grant; nothing ran')

const WHO = "SELECT current_user::pg_catalog.text, pg_catalog.current_setting('role')"
/** The columns of a row are worked out in their order. */
const become = (role: string): string =>
  `SELECT pg_catalog.set_config('role', '${role}', false), current_user::pg_catalog.text`

/**
 * Become the role of this grant; nothing where it has none. Only when drained.
 * @param open inside a pipeline, whose Sync the client will send.
 * @returns what the client is told when it must not run.
 */
export async function assume(
  desk: Desk,
  leave: Leave | undefined,
  work: Work,
  open: boolean,
): Promise<Told | undefined> {
  const role = leave?.role?.name
  if (role === undefined || desk.assumed?.role === role) return undefined
  if (work.effects.some(({ kind }) => MOVES.has(kind))) return notUnderstood(ALONE)
  const { line } = desk
  // Nothing runs there: the target refuses it by itself.
  if (line.status === 'failed' || line.skipping) return undefined
  // INVARIANT: a backslash would be read otherwise by some sessions; there is none in a name that is made here.
  if (!/^[a-z0-9_]+$/.test(role)) return NOT_NOW
  const [base, before] = (await line.ask(WHO, open))?.[0] ?? []
  if (desk.ended || typeof base !== 'string') return NOT_NOW
  if (before !== 'none') return notUnderstood('the session has assumed another role; send RESET ROLE first')
  // From here on it may be the role, and is left whatever happens.
  desk.assumed = { role, base }
  const who = (await line.ask(become(role), open))?.[0]?.[1]
  return who === role ? undefined : NOT_NOW
}

/** Who runs next is the session's own account again; where that cannot be seen, the session is over. Drains. */
export async function leaveRole(desk: Desk): Promise<void> {
  const { line } = desk
  await line.drain()
  const { assumed } = desk
  if (assumed === undefined || desk.ended || line.skipping || line.status === 'failed') return
  const who = (await line.ask(become('none'), line.unsynced))?.[0]?.[1]
  if (desk.ended) return
  desk.assumed = undefined
  if (who !== assumed.base) desk.cut({ reason: 'cut', why: 'the session could not leave the role of a grant' })
}
