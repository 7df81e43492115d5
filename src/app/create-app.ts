import type { App } from './app.ts'
import { createDocumentUseCases } from './documents/create-document-use-cases.ts'
import type { DocumentDeps } from './documents/deps.ts'
import { createPeopleUseCases } from './people/create-people-use-cases.ts'
import { createLedgerUseCases } from './ledger/create-ledger-use-cases.ts'
import type { LedgerUseDeps } from './ledger/deps.ts'
import type { PeopleDeps } from './people/deps.ts'
import { createRecordUseCases } from './record/create-record-use-cases.ts'
import type { RecordDeps } from './record/deps.ts'
import type { RequestDeps } from './requests/deps.ts'
import { createRequestUseCases } from './requests/use-cases.ts'
import { createJobUseCases, type JobDeps } from './jobs/create-job-use-cases.ts'
import { createWebhookUseCases, type WebhookDeps } from './webhooks/webhooks.ts'
import { createLeftoverUseCases, type LeftoverDeps } from './roles/create-leftover-use-cases.ts'
import { giveCredential } from './roles/give-credential.ts'
import { createSecretUseCases, type SecretDeps } from './secrets/create-secret-use-cases.ts'

export type Readiness = Awaited<ReturnType<App['readiness']>>
type AppDeps = PeopleDeps &
  SecretDeps &
  JobDeps &
  WebhookDeps &
  DocumentDeps &
  LeftoverDeps &
  RequestDeps &
  LedgerUseDeps &
  RecordDeps & {
    /** What must be true before anything is served, asked at each look. */
    readonly checks: () => Promise<Readiness['checks']>
  }

/** Every use case, put together. `close` writes what is still gathered in memory. */
export function createApp(deps: AppDeps): App & { close(): Promise<void> } {
  const record = createRecordUseCases(deps)
  return {
    ...createPeopleUseCases(deps),
    ...createSecretUseCases(deps),
    ...createJobUseCases(deps),
    ...createWebhookUseCases(deps),
    ...createDocumentUseCases(deps),
    ...createLeftoverUseCases(deps),
    giveCredential: giveCredential(deps),
    ...createRequestUseCases(deps),
    ...record,
    ...createLedgerUseCases(deps),
    async readiness() {
      const checks = await deps.checks()
      return { ready: checks.every((check) => check.ok), checks }
    },
  }
}
