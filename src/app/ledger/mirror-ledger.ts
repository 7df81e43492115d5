import type { TileAt } from '../../domain/ledger/tiles.ts'
import type { App, Caller } from '../app.ts'
import { done, refuse } from '../result.ts'
import type { LedgerUseDeps } from './deps.ts'
import { isSigned } from './read-ledger.ts'

/*
 * What a copy of the log has besides its tiles, in the form the verifier reads (`verify/holdpoint-verify.mjs`).
 */

/** Checkpoints a page: each is a few hundred bytes. */
const PAGE = 1_000

export async function olderCheckpoints({ store }: Pick<LedgerUseDeps, 'store'>, after: number): Promise<string> {
  const found = await store.ledger.checkpointsAfter(after, PAGE)
  return found.map(({ note }) => `${JSON.stringify(note)}\n`).join('')
}

export const verifierKeys = async ({ store }: Pick<LedgerUseDeps, 'store'>): Promise<string> =>
  (await store.ledger.keys()).map((key) => `${key}\n`).join('')

/** Bodies of everybody's entries: for those who may read the whole record. */
export async function readBodies(
  deps: LedgerUseDeps,
  caller: Caller,
  at: Pick<TileAt, 'index' | 'width'>,
): ReturnType<App['ledgerBodies']> {
  if (caller.principal.roles.length === 0)
    return refuse('not_permitted', 'the entries of all are read by administrators and auditors')
  if (!(await isSigned(deps, { ...at, level: 0 }))) return refuse('not_found')
  const bodies = await deps.store.ledger.bodies(at)
  return done(bodies.map((body) => `${lineOf(body)}\n`).join(''))
}

const lineOf = (body: Awaited<ReturnType<LedgerUseDeps['store']['ledger']['bodies']>>[number]): string =>
  body === undefined ? 'null' : JSON.stringify({ salt: base64(body.salt), body: base64(body.bytes) })

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
