import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sql } from 'kysely'
import { createLedger } from '../src/app/ledger/create-ledger.ts'
import { registerKeys } from '../src/app/ledger/register-keys.ts'
import { startSequencer } from '../src/app/ledger/sequencer.ts'
import type { Entry } from '../src/domain/ledger/entry.ts'
import type { Instant } from '../src/domain/time.ts'
import { openDatabase } from '../src/store/database.ts'
import type { Database, Executor } from '../src/store/database.ts'
import { startEmbedded } from '../src/store/embedded/start-embedded.ts'
import { ledgerKey } from '../src/store/ledger-keys.ts'
import { openLedgerMemory } from '../src/store/ledger-memory.ts'
import { createLedgerSigner } from '../src/store/ledger-signer.ts'
import { openStore } from '../src/store/open-store.ts'
import { entryBytes, recordWriter } from '../src/store/record.ts'
import { rounded } from './figures.ts'

const WRITERS = 32
const ORIGIN = 'holdpoint/bench'

/** A review, as one is recorded. */
const entry = (writer: number, n: number): Entry => ({
  kind: 'review.given',
  subject: `request/HP-${writer * 1_000_000 + n}`,
  actor: 'mia',
  resource: 'shop-db',
  body: {
    request: `HP-${writer * 1_000_000 + n}`,
    verdict: 'approve',
    digest: '5f2c1d0b9a8e7f6d5c4b3a29181706f5e4d3c2b1a09f8e7d6c5b4a3928171605',
    words: 'looked at the plan',
  },
})

type Append = (executor: Executor, now: Instant, of: Entry) => Promise<unknown>
const intoLedger: Append = (executor, now, of) => recordWriter(executor, now, new Set()).append(of)
const intoTable: Append = (executor, now, of) => {
  const body = entryBytes(of, now)
  return sql`INSERT INTO bare (at, kind, subject, actor, resource, body)
    VALUES (${now}, ${of.kind}, ${of.subject}, ${of.actor}, ${of.resource}, ${body}) RETURNING seq`.execute(executor)
}

/**
 * Durable appends a second by 32 writers, from the first to the checkpoint that covers the last; and the same
 * transactions into a table alone, by which the first are divided.
 */
export async function measureLedger(
  seconds: number,
): Promise<{ readonly perSecond: number; readonly share: number; readonly alone: number }> {
  await using parts = new AsyncDisposableStack()
  const dataDir = mkdtempSync(path.join(tmpdir(), 'hp-bench-ledger-'))
  parts.defer(() => rmSync(dataDir, { recursive: true }))
  const quiet = (): void => undefined
  const server = await startEmbedded({ dataDir, log: quiet })
  parts.defer(() => server.stop())
  const opened = await openStore(server.url, quiet)
  parts.defer(() => opened.close())
  const pool = openDatabase({ url: server.url, connections: WRITERS, log: quiet })
  parts.defer(() => pool.close())
  const { wake, clock, vital } = opened
  const timer = {
    after(ms: number, run: () => void) {
      const handle = setTimeout(run, ms)
      return () => clearTimeout(handle)
    },
  }
  const onFault = (what: string, error: unknown): void => void process.stderr.write(`${what}: ${String(error)}\n`)
  const tell = (subjects: Iterable<string>): void => wake.tell(subjects)
  const memory = await openLedgerMemory(path.join(dataDir, 'ledger-signed'))
  parts.defer(() => memory.close())
  const signer = await createLedgerSigner(ORIGIN, [ledgerKey(ORIGIN, randomBytes(32))], memory)
  await registerKeys(opened.store, signer)
  const shared = { store: vital.ledger, wake, tell, timer, onFault }
  const ledger = createLedger(shared)
  parts.defer(() => ledger.close())
  const monotonic = (): number => performance.now()
  const sequencer = startSequencer({ ...shared, signer, origin: ORIGIN, me: 'bench', clock, monotonic, say: quiet })
  parts.defer(() => sequencer.stop())
  await pool.executor
    .connection()
    .execute((db) => sql`CREATE TABLE bare (LIKE record INCLUDING DEFAULTS INCLUDING INDEXES)`.execute(db))

  const measure = async (append: Append): Promise<number> => {
    const begun = performance.now()
    const until = begun + seconds * 1_000
    const counts = await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(pool, writer, until, append)))
    if (append === intoLedger)
      await ledger.covered(await opened.store.transaction((tx) => tx.record.append(entry(0, 999_999))))
    return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - begun) / 1_000)
  }
  // Each way twice, in turns; what the machine does besides falls on both.
  const [first, second] = [await measure(intoLedger), await measure(intoTable)]
  const [alone, withLedger] = [await measure(intoTable), await measure(intoLedger)]
  const perSecond = (first + withLedger) / 2
  const bare = (second + alone) / 2
  return { perSecond: Math.round(perSecond), share: rounded(perSecond / bare), alone: Math.round(bare) }
}

/** Transactions as the store makes them: begun with the time, one entry, committed. Answers how many. */
async function write(pool: Database, writer: number, until: number, append: Append): Promise<number> {
  const held = await pool.hold()
  const { client, executor } = held
  let n = 0
  try {
    while (performance.now() < until) {
      const results = (await client.query('BEGIN; SELECT holdpoint_now() AS now')) as unknown as {
        rows: { now: Instant }[]
      }[]
      await append(executor, results[1]?.rows[0]?.now ?? (0 as Instant), entry(writer, n++))
      await client.query('COMMIT')
    }
  } finally {
    held.release(false)
  }
  return n
}
