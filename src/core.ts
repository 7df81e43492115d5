import type { CatalogueSource } from './app/ports/catalogue.ts'
import { createLedger } from './app/ledger/create-ledger.ts'
import type { Ledger } from './app/ports/ledger.ts'
import type { TargetControl } from './app/ports/target.ts'
import type { TargetRoles } from './app/ports/target-roles.ts'
import type { Timer } from './app/ports/timer.ts'
import { keepPolicy, type PolicyKeeper } from './app/documents/keeper.ts'
import type { Sealer } from './app/ports/secrets.ts'
import { failing, failingStore } from './failpoint.ts'
import { keepGate, type Gate } from './app/restore/gate.ts'
import { createClassifier } from './classify/postgres/classifier.ts'
import type { Classifier } from './classify/postgres/shape.ts'
import { createCatalogueSource } from './connector/postgres/catalogue-source.ts'
import { createTargetRoles } from './connector/postgres/roles/target-roles.ts'
import { createTargetControl } from './connector/postgres/target-control.ts'
import type { Logger } from 'pino'
import { createCredentialReader } from './store/credentials.ts'
import { openKeyring } from './store/keyring.ts'
import { openStore, type OpenStore } from './store/open-store.ts'

/** What the server and each of its gateway processes open alike: the store, the policy, and eyes and hands on targets. */
export interface Core {
  readonly opened: OpenStore
  /** Whether a store that was restored may serve anybody yet. */
  readonly gate: Gate
  readonly sealer: Sealer
  readonly keeper: PolicyKeeper
  readonly classifier: Classifier
  readonly control: TargetControl
  readonly roles: TargetRoles
  readonly catalogue: CatalogueSource
  readonly readCredential: ReturnType<typeof createCredentialReader>
  readonly timer: Timer
  /** What effects wait for. */
  readonly ledger: Ledger
  readonly onFault: (what: string, error: unknown) => void
}

/** Everything opened is closed by `parts`, also when this rejects half-way. */
export async function openCore(
  options: { readonly databaseUrl: string; readonly dataDir: string; readonly connections?: number },
  parts: AsyncDisposableStack,
  log: Logger,
): Promise<Core> {
  const says = (area: string) => (message: string) => log.info({ area }, message)
  const open = await openStore(options.databaseUrl, says('store'), options.connections)
  parts.defer(() => open.close())
  const opened = { ...open, store: failingStore(open.store), vital: failingStore(open.vital) }
  const { store, vital, wake } = opened
  const timer = { after }
  const onFault = (what: string, err: unknown): void => log.error({ err }, `failed: ${what}`)
  const tell = (subjects: Iterable<string>): void => wake.tell(subjects)
  const openLedger = createLedger({ store: vital.ledger, wake, tell, timer, onFault })
  parts.defer(() => openLedger.close())
  const ledger = failing<Ledger>('ledger', openLedger, ['covered', 'coveredAbout'])
  const gate = await keepGate({ store: vital, timer, onFault })
  parts.defer(() => gate.stop())
  const sealer = await openKeyring(options.dataDir, process.env, store.secrets)
  const keeper = await keepPolicy({ store: vital, wake, monotonic: () => performance.now(), log: says('policy') })
  parts.defer(() => keeper.stop())
  const classifier = await createClassifier()
  parts.defer(() => classifier.close())
  const openControl = createTargetControl()
  parts.defer(() => openControl.close())
  const control = failing('target', openControl, ['terminate', 'isGone'])
  const openRoles = createTargetRoles()
  parts.defer(() => openRoles.close())
  const roles = failing<TargetRoles>('roles', openRoles, ['make', 'open', 'shut', 'remove'])
  const catalogue = await createCatalogueSource()
  parts.defer(() => catalogue.close())
  return {
    opened,
    gate,
    sealer,
    keeper,
    classifier,
    control,
    roles,
    catalogue,
    readCredential: createCredentialReader({ store, sealer, env: process.env, dataDir: options.dataDir }),
    timer,
    ledger,
    onFault,
  }
}

function after(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  timer.unref()
  return () => clearTimeout(timer)
}
