import { hostname } from 'node:os'
import path from 'node:path'
import { registerKeys } from './app/ledger/register-keys.ts'
import { startSequencer } from './app/ledger/sequencer.ts'
import type { Core } from './core.ts'
import { openLedgerMemory } from './store/ledger-memory.ts'
import { readLedgerKeys } from './store/ledger-keys.ts'
import { createLedgerSigner } from './store/ledger-signer.ts'
import { readKeyring } from './store/keyring.ts'

/** The name of this installation's log: the first line of its checkpoints, on every replica and for ever. */
export const ledgerOrigin = async ({ opened }: Pick<Core, 'opened'>): Promise<string> =>
  `holdpoint/${(await opened.store.people.installationKey('ledger origin')).toString('hex', 0, 8)}`

/** What of the ledger runs in a server. */
export interface LedgerHere {
  /** Why nothing is signed here; undefined when nothing is wrong. */
  failure(): string | undefined
}

/**
 * Signs and sequences in this process. A replica without the others' keys does neither, and says so.
 * @throws KeyringError, ExposedFile, SignerRefusal; faults of the data folder.
 */
export async function startLedger(
  core: Core,
  { dataDir, log }: { readonly dataDir: string; readonly log: (message: string) => void },
  parts: AsyncDisposableStack,
): Promise<LedgerHere> {
  const { store, vital, clock, wake } = core.opened
  const origin = await ledgerOrigin(core)
  const memory = await openLedgerMemory(path.join(dataDir, 'ledger-signed'))
  parts.defer(() => memory.close())
  const keys = readLedgerKeys(origin, readKeyring(dataDir, process.env), process.env)
  const signer = await createLedgerSigner(origin, keys, memory)
  const refused = await registerKeys(store, signer)
  if (refused !== undefined) {
    log(refused)
    return { failure: () => refused }
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
  return { failure: () => sequencer.failure() }
}
