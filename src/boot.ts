import { accessSync, constants, mkdirSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import path from 'node:path'
import type { Logger } from 'pino'
import { createApp, type Readiness } from './app/create-app.ts'
import { applyApproved } from './app/documents/apply-approved.ts'
import { prepareSetup } from './app/people/setup.ts'
import { settleFailover } from './app/reconcile/after-failover.ts'
import { every } from './app/reconcile/every.ts'
import { refuseOtherCertificate } from './app/reconcile/one-certificate.ts'
import { announce, type Presence } from './app/reconcile/presence.ts'
import { type Overdue, startReconciler } from './app/reconcile/start-reconciler.ts'
import type { Gate } from './app/restore/gate.ts'
import { startSettling } from './app/restore/settle.ts'
import { openTargetOf } from './app/gateway/open-target.ts'
import type { JobBoard } from './app/ports/jobs.ts'
import { version } from './cli/server.ts'
import { type Address, type Config, readConfig, type ReplicaRole, type StartFlags } from './config.ts'
import { openCore } from './core.ts'
import { createDocumentReader } from './connector/documents/reader.ts'
import { startDemo } from './demo/start-demo.ts'
import { startDemoTarget } from './demo/target.ts'
import { jsonSchemas } from './domain/policy/schema.ts'
import { settleHeap } from './engine.ts'
import { generatedCertificate, loadCertificate } from './gateway/tls.ts'
import { createHttpServer } from './http/server.ts'
import { checkWebhookUrl } from './integration/webhooks/send.ts'
import { createLog } from './log.ts'
import { lockFolder } from './store/embedded/lock.ts'
import { derivedKey } from './store/derived-key.ts'
import { readKeyring } from './store/keyring.ts'
import { freePort, startEmbedded } from './store/embedded/start-embedded.ts'
import { ledgerOrigin } from './store/ledger-origin.ts'
import { reportStartError } from './start-error.ts'
import { startJobs } from './start-jobs.ts'
import { lateWords, ledgerGauges, startLedger } from './start-ledger.ts'
import { welcome } from './welcome.ts'
import { carrySessions } from './workers/carry-sessions.ts'
import { forkWorkers, type Workers } from './workers/start-workers.ts'

export interface Running {
  readonly url: string
  readonly gatewayPort: number
  /** What a person at the terminal should read now that everything is up. */
  readonly banner: string
  /** No longer ready and without new sessions; those that are open have so long to come to their end by themselves. */
  drain(withinMs: number): Promise<void>
  /** Ends what is still open. */
  stop(): Promise<void>
}

/** Those who carry the sessions: processes of their own, or this one. */
type GatewayProcesses = Pick<Workers, 'counts' | 'listening' | 'count' | 'drain' | 'close'>

/** How often each replica looks whether another server has taken over the database. Transactions see it by themselves. */
const FAILOVER_LOOK_MS = 1_000

/** Builds every part in the order in which they need each other; undoes all of it when one fails. */
export async function boot(config: Config, log: Logger): Promise<Running> {
  await using parts = new AsyncDisposableStack()
  const says = (area: string) => (message: string) => log.info({ area }, message)
  const has = (role: ReplicaRole): boolean => config.roles.includes(role)
  const [listen, gatewayAddress] = await Promise.all([settled(config.listen), settled(config.gateway)])
  const baseUrl =
    config.publicUrl ?? `http${config.tls === undefined ? '' : 's'}://${bracketed(listen.host)}:${listen.port}`
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  accessSync(config.dataDir, constants.W_OK)

  // The gateway's processes load their modules while the store opens.
  const workers =
    config.gatewayWorkers === 0 || !has('gateway')
      ? undefined
      : forkWorkers(config.gatewayWorkers, log.child({ area: 'gateway' }))
  parts.defer(() => workers?.close())
  const { dataDir } = config
  const storeUrl = await databaseUrl(config, parts, says('store'))
  const core = await openCore({ databaseUrl: storeUrl, dataDir }, parts, log)
  const { opened, gate, sealer, keeper, classifier, control, roles, catalogue, readCredential, timer, onFault } = core
  const { store, vital, clock, wake } = opened
  // Before anything is asked of the store, and for as long as this process lives.
  const failover = async (): Promise<void> => {
    if (await opened.timeline.accept(settleFailover))
      log.error({ area: 'store' }, 'another server has taken over the database; all that was open has been ended')
  }
  await failover()
  const watching = every({ timer, onFault }, FAILOVER_LOOK_MS, 'looking for a failover', failover)
  parts.defer(() => watching.stop())
  const reader = createDocumentReader()
  parts.defer(() => reader.close())
  const shared = {
    store,
    clock,
    wake,
    timer,
    policy: () => keeper.current(),
    refreshPolicy: () => keeper.refresh(),
    readCredential,
    baseUrl: () => baseUrl,
    onFault,
  }

  // What the others must know of this replica, and this one of them, before it does anything.
  const tls = config.tls === undefined ? undefined : await loadCertificate(config.tls)
  const gatewayTls = has('gateway')
    ? (tls ?? (await generatedCertificate(path.join(dataDir, 'tls'), [gatewayAddress.host, hostname()])))
    : undefined
  const presence = await announce(
    { store: vital, clock, timer, onFault, newId: () => `${hostname()}-${randomUUID()}` },
    { roles: config.roles, ...(gatewayTls?.generated === true ? { certificate: gatewayTls.fingerprint } : {}) },
  )
  parts.defer(() => presence.stop())
  if (gatewayTls?.generated === true) await refuseOtherCertificate(presence, gatewayTls.fingerprint)

  // What proves them: before the rest, and stopped behind it.
  const ledger = has('worker')
    ? await startLedger(core, { dataDir, log: (message) => log.warn({ area: 'ledger' }, message) }, parts)
    : undefined

  // What makes things end.
  const reconciler = has('worker')
    ? startReconciler({
        ...shared,
        store: vital,
        target: control,
        roles,
        ledger: core.ledger,
        say: (message) => log.warn({ area: 'reconciler' }, message),
      })
    : undefined
  parts.defer(() => reconciler?.stop())
  const settling =
    reconciler &&
    startSettling({
      store: vital,
      timer,
      onFault,
      pass: () => reconciler.pass(),
      say: (message) => log.warn({ area: 'restore' }, message),
    })
  parts.defer(() => settling?.stop())

  // The use cases.
  let gateway: GatewayProcesses | undefined
  let draining = false
  const checks = async (): Promise<Readiness['checks']> => [
    ...(await opened.readiness()),
    ...restoreChecks(gate),
    check('policy', keeper.current() !== undefined, 'the policy in force has not been confirmed for 2 s'),
    ...(draining ? [check('stopping', false, 'it ends what is open, and stops')] : []),
    ...(reconciler === undefined
      ? [seen('worker', await missingWorker(presence))]
      : [check('reconciler', age(reconciler.status().lastPass, clock.now()) < 10_000, 'no whole pass for 10 s')]),
    ...(has('gateway')
      ? [
          check('gateway', gateway !== undefined && gateway.listening() > 0, 'nobody takes its connections'),
          // Seen, not failed, as the rest: taking this process out of service would mend none of them.
          seen('gateway workers', missingWords(gateway)),
        ]
      : []),
    // Were it not ready, nobody could revoke anything either.
    seen('ledger', ledger?.failure()),
    seen('witnesses', await lateWords(ledger)),
    seen('jobs', await failedWords(opened.jobs)),
    seen('removals', overdueWords(reconciler?.status().overdue ?? [], clock.now())),
    seen('statement record', lostWords(gateway?.counts().lost ?? 0)),
  ]
  const app = createApp({
    ...shared,
    sealer,
    keeper,
    classifier,
    targets: control,
    roles,
    catalogue,
    reader,
    openTarget: (profile) => openTargetOf({ readCredential }, profile),
    applyApproved,
    jobs: opened.jobs,
    checkWebhookUrl: checkWebhookUrl({ allowed: config.webhookAllow ?? [] }),
    origin: await ledgerOrigin(store),
    gateway: gatewayAddress,
    cursorKey: await store.people.installationKey('page cursors'),
    log: says('app'),
    checks,
  })
  parts.defer(() => app.close())

  // What the world can reach. The gateway's notices point at the API, so that one is first.
  const http = createHttpServer({
    app,
    info: {
      version: version(),
      demo: config.demo,
      gateway: () => (has('gateway') && gateway === undefined ? undefined : gatewayAddress),
    },
    now: () => clock.now(),
    closed: () => gate.closed(),
    documentSchemas: jsonSchemas(),
    log,
    idempotency: opened.idempotency,
    idempotencyKey: derivedKey(readKeyring(dataDir, process.env), 'idempotency'),
    trustedProxies: config.trustedProxies,
    metrics: {
      gauges: async () => ({
        pendingRequests: (await store.requests.openCounts()).reduce((sum, { pending }) => sum + pending, 0),
        openSessions: gateway?.counts().connections ?? 0,
        overdueGrants: reconciler?.status().overdue.length ?? 0,
        leftovers: (await store.roles.leftovers()).filter(({ ignored }) => ignored === undefined).length,
        ...(await jobGauges(opened.jobs)),
        lostStatements: gateway?.counts().lost ?? 0,
        ...(await ledgerGauges(store.ledger, ledger, clock.now())),
      }),
    },
    publicUrl: baseUrl,
    probesOnly: !has('api'),
    ...(tls === undefined ? {} : { tls }),
  })
  parts.defer(() => http.close())
  await http.listen(listen.host, listen.port)
  if (gatewayTls !== undefined) {
    const atGateway = { ...gatewayAddress, baseUrl, tls: gatewayTls }
    if (workers === undefined) {
      const carrying = await carrySessions(core, { ...atGateway, dataDir, log: log.child({ area: 'gateway' }) })
      gateway = { ...carrying, count: 1, listening: () => 1 }
    } else {
      const { cert, key } = gatewayTls
      await workers.start({
        ...atGateway,
        tls: { cert, key },
        databaseUrl: storeUrl,
        dataDir,
        logLevel: config.logLevel,
      })
      gateway = workers
    }
  }
  const { port: gatewayPort } = gatewayAddress
  parts.defer(() => gateway?.close())

  const setupCode = has('api') ? await prepareSetup({ store }) : undefined
  let banner = welcome({
    url: baseUrl,
    roles: config.roles,
    ...(has('gateway') ? { gateway: { host: gatewayAddress.host, port: gatewayPort } } : {}),
    setupCode,
  })
  if (config.demo) {
    const target = await startDemoTarget({ dataDir: config.dataDir, gatewayPort, log: says('demo') })
    parts.defer(() => target.stop())
    // Its sessions end before it does, and read why.
    parts.defer(() => gateway?.close())
    banner = await startDemo({
      app,
      target,
      dataDir,
      url: baseUrl,
      gatewayPort,
      setupCode: () => setupCode ?? '',
      env: process.env,
    })
  }
  // Behind the rest: nobody waits for what is done later.
  const { webhookAllow = [] } = config
  const jobs = has('worker')
    ? startJobs(core, { databaseUrl: storeUrl, baseUrl: () => baseUrl, webhookAllow })
    : undefined
  parts.defer(() => jobs?.stop())
  const all = parts.move()
  return {
    url: baseUrl,
    gatewayPort,
    banner,
    async drain(withinMs) {
      draining = true
      await gateway?.drain(withinMs)
    },
    stop: () => all.disposeAsync(),
  }
}

const SETTLE_MS = 3_000

/**
 * `hp start`: runs until it is asked to stop. Answers the exit code.
 * A second signal ends the process at once; whatever that leaves behind, the next start recovers.
 */
export async function start(flags: StartFlags): Promise<number> {
  const stopAsked = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, (received) => resolve(received))
    }
  })
  try {
    const config = readConfig(flags, process.env)
    const log = createLog(config.logLevel)
    const running = await boot(config, log)
    process.stdout.write(running.banner)
    // Behind what is loaded when everything else is up.
    setTimeout(settleHeap, SETTLE_MS).unref()
    const signal = await stopAsked
    log.info({ signal }, 'stopping')
    // Whoever sits at the terminal wants it to end; an init system gives it time.
    if (signal === 'SIGTERM') await running.drain(config.drainMs)
    await running.stop()
    return 0
  } catch (error) {
    return reportStartError(error, (text) => process.stderr.write(text))
  }
}

/** The operator's own database, or the embedded one, which lives and stops with this process. Either way the data folder is ours alone. */
async function databaseUrl(
  config: Config,
  parts: AsyncDisposableStack,
  log: (message: string) => void,
): Promise<string> {
  if (config.databaseUrl !== undefined) {
    parts.defer(lockFolder(config.dataDir))
    return config.databaseUrl
  }
  // Twenty for each process, and some for whoever looks at it.
  const settings = { max_connections: String(80 + 20 * (config.gatewayWorkers + 1)) }
  const embedded = await startEmbedded({ dataDir: config.dataDir, settings, log })
  parts.defer(() => embedded.stop())
  return embedded.url
}

/** Links and profiles name the port before anything listens on it, so a free one is chosen first. */
const settled = async ({ host, port }: Address): Promise<Address> => ({
  host,
  port: port === 0 ? await freePort() : port,
})
const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
const age = (last: number | undefined, now: number): number =>
  last === undefined ? Number.POSITIVE_INFINITY : now - last
const check = (name: string, ok: boolean, detail: string) => (ok ? { name, ok } : { name, ok, detail })

/** Nobody is served before what a backup brought back has been ended. */
function restoreChecks(gate: Gate): Readiness['checks'] {
  const closed = gate.closed()
  if (closed !== undefined) return [{ name: 'restore', ok: false, detail: closed }]
  const waiting = gate.waiting()
  const words = `${waiting} resources stay closed until their target confirms that access from before the restore has ended`
  return waiting === 0 ? [] : [seen('restore', words)]
}

/** A check that never fails; what there is to say about it is shown. */
const seen = (name: string, detail: string | undefined) =>
  detail === undefined ? { name, ok: true } : { name, ok: true, detail }
async function jobGauges(jobs: JobBoard): Promise<{ readonly failedJobs: number; readonly lateJobs: number }> {
  const { failed, late } = await jobs.counts()
  return { failedJobs: failed, lateJobs: late }
}
/** A store that does not answer is said elsewhere. */
async function failedWords(jobs: JobBoard): Promise<string | undefined> {
  const { failed, late } = await jobs.counts().catch(() => ({ failed: 0, late: 0 }))
  const words = [...(failed > 0 ? [`${failed} failed each time`] : []), ...(late > 0 ? [`${late} late`] : [])]
  return words.length === 0 ? undefined : `${words.join(', ')}: hp jobs`
}
/** Whoever asks for readiness proves nothing, so no resource or grant is named. */
function overdueWords(overdue: readonly Overdue[], now: number): string | undefined {
  const oldest = Math.min(...overdue.map(({ since }) => since))
  return overdue.length === 0
    ? undefined
    : `${overdue.length} overdue: the target has not confirmed the end of access, the oldest for ${Math.round((now - oldest) / 1_000)} s`
}
/** What this replica leaves to others, and nobody does. */
async function missingWorker(presence: Presence): Promise<string | undefined> {
  const living = await presence.living().catch(() => undefined)
  if (living === undefined || living.some(({ roles }) => roles.includes('worker'))) return undefined
  return 'no replica with the role worker is alive: nothing that is due ends'
}
function missingWords(gateway: GatewayProcesses | undefined): string | undefined {
  const missing = gateway === undefined ? 0 : gateway.count - gateway.listening()
  return missing === 0 ? undefined : `${missing} of ${gateway?.count} are being started again`
}
const lostWords = (lost: number): string | undefined =>
  lost === 0 ? undefined : `${lost} statements since the start could not be kept`
