import { deliver } from './app/webhooks/deliver.ts'
import { takeSteps } from './app/requests/take-steps.ts'
import type { Core } from './core.ts'
import { createWebhookSender } from './integration/webhooks/send.ts'
import { startJobRunner } from './store/jobs-runner.ts'
import type { JobRunner } from './store/jobs-runner.ts'

/**
 * Does what is due, in this process. Behind everything else: nobody waits for it to start, and when it cannot start it
 * says so and tries again, since the reconciler keeps every deadline without it.
 */
export function startJobs(
  core: Core,
  options: { readonly databaseUrl: string; readonly baseUrl: () => string; readonly webhookAllow: readonly string[] },
): { stop(): Promise<void> } {
  const { opened, keeper, sealer, timer, onFault } = core
  const { store, clock } = opened
  const send = createWebhookSender({ allowed: options.webhookAllow })
  let stopped = false
  let runner: JobRunner | undefined
  let cancel = (): void => undefined
  const start = async (): Promise<void> => {
    try {
      runner = await startJobRunner({
        url: options.databaseUrl,
        onFault,
        workers: {
          'request-step': ({ request }) => takeSteps({ store, policy: () => keeper.current() }, request),
          delivery: (delivery, signal) =>
            deliver({ store, sealer, clock, send, baseUrl: options.baseUrl }, delivery, signal),
        },
      })
    } catch (error) {
      onFault('starting to do what waits', error)
      if (!stopped) cancel = timer.after(AGAIN_MS, () => void (starting = start()))
    }
  }
  let starting = start()
  return {
    async stop() {
      stopped = true
      cancel()
      await starting
      await runner?.stop()
    },
  }
}

const AGAIN_MS = 5_000
