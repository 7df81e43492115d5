import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createLedger } from '../../src/app/ledger/create-ledger.ts'
import { registerKeys } from '../../src/app/ledger/register-keys.ts'
import { startSequencer } from '../../src/app/ledger/sequencer.ts'
import type { Sequencer, SequencerDeps } from '../../src/app/ledger/sequencer.ts'
import type { Ledger, LedgerSigner } from '../../src/app/ports/ledger.ts'
import { openLedgerMemory } from '../../src/store/ledger-memory.ts'
import { ledgerKey } from '../../src/store/ledger-keys.ts'
import type { LedgerKey } from '../../src/store/ledger-keys.ts'
import { createLedgerSigner } from '../../src/store/ledger-signer.ts'
import { openStore } from '../../src/store/open-store.ts'
import type { OpenStore } from '../../src/store/open-store.ts'
import { testDatabase } from './database.ts'
import type { TestDatabase } from './database.ts'

/** A ledger over a real store of the test's own, with as many replicas as wanted. */
export interface LedgerWorld {
  readonly database: TestDatabase
  readonly origin: string
  /** Of every replica that is not given others. */
  readonly key: LedgerKey
  /** One more replica: a store of its own, a data folder of its own, nothing running yet. */
  replica(options?: { readonly name?: string; readonly keys?: readonly LedgerKey[] }): Promise<LedgerReplica>
  close(): Promise<void>
}

export interface LedgerReplica {
  readonly opened: OpenStore
  readonly ledger: Ledger
  readonly signer: LedgerSigner
  /** Where the signer keeps its last tree. */
  readonly memoryFile: string
  readonly faults: unknown[]
  readonly said: string[]
  /** Why it may not sign; undefined when it may. */
  readonly refused: string | undefined
  start(other?: Partial<SequencerDeps>): Sequencer
  append(subject: string, body?: Readonly<Record<string, unknown>>): Promise<number>
}

const timer = {
  after(ms: number, run: () => void) {
    const handle = setTimeout(run, ms)
    handle.unref()
    return () => clearTimeout(handle)
  },
}

export async function ledgerWorld(): Promise<LedgerWorld> {
  const parts = new AsyncDisposableStack()
  const database = await testDatabase()
  parts.defer(() => database.close())
  const folder = mkdtempSync(path.join(tmpdir(), 'hp-ledger-'))
  parts.defer(() => rmSync(folder, { recursive: true }))
  const origin = 'holdpoint/test'
  const key = ledgerKey(origin, randomBytes(32))
  let count = 0
  return {
    database,
    origin,
    key,
    async replica({ name = `replica-${count++}`, keys = [key] } = {}) {
      const opened = await openStore(database.url, () => undefined)
      parts.defer(() => opened.close())
      const { clock, wake, vital } = opened
      const faults: unknown[] = []
      const said: string[] = []
      const onFault = (_: string, error: unknown): void => void faults.push(error)
      const tell = (subjects: Iterable<string>): void => wake.tell(subjects)
      const ledger = createLedger({ store: vital.ledger, wake, tell, timer, onFault })
      parts.defer(() => ledger.close())
      const memoryFile = path.join(folder, `signed-${count++}`)
      const memory = await openLedgerMemory(memoryFile)
      parts.defer(() => memory.close())
      const signer = await createLedgerSigner(origin, keys, memory)
      const refused = await registerKeys(opened.store, signer)
      return {
        opened,
        ledger,
        signer,
        memoryFile,
        faults,
        said,
        refused,
        start(other = {}) {
          const say = (message: string): void => void said.push(message)
          const monotonic = (): number => performance.now()
          const shared = { store: vital.ledger, signer, origin, me: name, clock, monotonic, wake, tell, timer }
          const sequencer = startSequencer({ ...shared, onFault, say, ...other })
          parts.defer(() => sequencer.stop())
          return sequencer
        },
        append: (subject, body = {}) =>
          opened.store.transaction((tx) => tx.record.append({ kind: 'test.noted', subject, body })),
      }
    },
    close: () => parts.disposeAsync(),
  }
}
