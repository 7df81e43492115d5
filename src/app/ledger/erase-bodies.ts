import type { App, Caller } from '../app.ts'
import { outOfScope } from '../requests/access.ts'
import { done, refuse } from '../result.ts'
import type { LedgerUseDeps } from './deps.ts'

/** More at once would hold the record's rows for too long. */
const MOST = 1_000
const LONGEST_WORDS = 2_000

/**
 * Erases bodies of entries for good. Their leaves stay, with who did what and when, so every proof stays valid; the
 * salt goes with the body, so that not even a guess at it can be confirmed. Each erasure is an entry of its own.
 */
export async function eraseBodies(
  { store }: LedgerUseDeps,
  caller: Caller,
  { indexes, words }: Parameters<App['eraseBodies']>[1],
): ReturnType<App['eraseBodies']> {
  const narrow = outOfScope(caller)
  if (narrow !== undefined) return narrow
  if (!caller.principal.roles.includes('admin')) return refuse('not_permitted', 'an administrator erases')
  const why = words.toWellFormed().replaceAll('\0', '').trim()
  if (why === '' || why.length > LONGEST_WORDS) return refuse('invalid_input', 'say why, in at most 2,000 characters')
  const distinct = [...new Set(indexes)].sort((a, b) => a - b)
  if (distinct.length === 0 || distinct.length > MOST)
    return refuse('invalid_input', `1 to ${MOST} entries are erased at once`)
  return store.transaction(async (tx) => {
    const erased = await tx.ledger.erase(distinct)
    for (const { index, subject, resource, commitment } of erased)
      await tx.record.append({
        kind: 'body.erased',
        subject,
        actor: caller.principal.id,
        ...(resource === undefined ? {} : { resource }),
        body: { index, commitment, words: why },
      })
    const gone = new Set(erased.map(({ index }) => index))
    return done({ erased: [...gone], left: distinct.filter((index) => !gone.has(index)) })
  })
}
