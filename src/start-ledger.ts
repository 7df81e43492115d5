import { hostname } from 'node:os'
import path from 'node:path'
import { feedWitnesses, type WitnessFeed } from './app/ledger/feed-witnesses.ts'
import { registerKeys } from './app/ledger/register-keys.ts'
import { startSequencer } from './app/ledger/sequencer.ts'
import type { LedgerStore } from './app/ports/ledger.ts'
import type { Core } from './core.ts'
import type { Instant } from './domain/time.ts'
import { openWitnesses } from './integration/witnesses/open-witnesses.ts'
import { openLedgerMemory } from './store/ledger-memory.ts'
import { readLedgerKeys } from './store/ledger-keys.ts'
import { createLedgerSigner } from './store/ledger-signer.ts'
import { readKeyring } from './store/keyring.ts'
import { ledgerOrigin } from './store/ledger-origin.ts'

/** What of the ledger runs in a server. */
export interface LedgerHere {
  /** Why nothing is signed here; undefined when nothing is wrong. */
  failure(): string | undefined
  /** Witnesses that should have signed long ago, and how long the longest. */
  late: WitnessFeed['late']
}

/**
 * Signs and sequences in this process. A replica without the others' keys does neither, and says so.
 * @throws KeyringError, WitnessError, ExposedFile, SignerRefusal; faults of the data folder.
 */
export async function startLedger(
  core: Core,
  { dataDir, log }: { readonly dataDir: string; readonly log: (message: string) => void },
  parts: AsyncDisposableStack,
): Promise<LedgerHere> {
  const { store, vital, clock, wake } = core.opened
  const origin = await ledgerOrigin(store)
  const memory = await openLedgerMemory(path.join(dataDir, 'ledger-signed'))
  parts.defer(() => memory.close())
  const keys = readLedgerKeys(origin, readKeyring(dataDir, process.env), process.env)
  const signer = await createLedgerSigner(origin, keys, memory)
  const refused = await registerKeys(store, signer)
  if (refused !== undefined) {
    log(refused)
    return { failure: () => refused, late: () => Promise.resolve({ names: [], ms: 0 }) }
  }
  const sequencer = startSequencer({
    ...core,
    store: vital.ledger,
    clock,
    wake,
    tell: (subjects) => wake.tell(subjects),
    signer,
    origin,
    me: `${hostname()}:${dataDir}`,
    monotonic: () => performance.now(),
    say: log,
  })
  parts.defer(() => sequencer.stop())
  const feed = feedWitnesses({
    ...core,
    store: vital.ledger,
    clock,
    witnesses: openWitnesses(process.env['HP_WITNESSES']),
    isMine: () => sequencer.isMine(),
    say: log,
  })
  parts.defer(() => feed.stop())
  return { failure: () => sequencer.failure(), late: () => feed.late() }
}

/** For readiness: which witnesses are late. */
export async function lateWords(ledger: LedgerHere | undefined): Promise<string | undefined> {
  const late = await ledger?.late().catch(() => undefined)
  return late === undefined || late.names.length === 0
    ? undefined
    : `${late.names.join(', ')} signed nothing of the ledger for ${Math.round(late.ms / 1_000)} s, though there was something new`
}

/** For metrics. */
export async function ledgerGauges(store: LedgerStore, ledger: LedgerHere | undefined, now: Instant) {
  const [newest, { since }, late] = await Promise.all([store.newestCheckpoint(), store.waiting(), ledger?.late()])
  return {
    ledgerSize: newest?.size ?? 0,
    ledgerUnsigned: since === undefined ? 0 : Math.max(0, now - since) / 1_000,
    ledgerUnwitnessed: (late?.ms ?? 0) / 1_000,
  }
}
