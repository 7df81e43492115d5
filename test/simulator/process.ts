import { createGatewayApp } from '../../src/app/gateway/create-gateway-app.ts'
import { noRoles } from '../support/no-roles.ts'
import type { GatewayPart } from '../../src/app/gateway/create-gateway-app.ts'
import { startHeartbeat } from '../../src/app/reconcile/heartbeat.ts'
import { createReplica } from '../../src/app/reconcile/replica.ts'
import { startReconciler } from '../../src/app/reconcile/start-reconciler.ts'
import { createRequestUseCases } from '../../src/app/requests/use-cases.ts'
import type { Store } from '../../src/app/ports/store.ts'
import type { OpenTarget } from '../../src/app/ports/target.ts'
import { done } from '../../src/app/result.ts'
import type { Snapshot } from '../../src/domain/policy/snapshot.ts'
import type { Backend } from '../../src/domain/session/session.ts'
import { instant } from '../../src/domain/time.ts'
import type { Transaction } from './memory/database.ts'
import { LineBroke, memoryStore } from './memory/store.ts'
import type { Line } from './memory/store.ts'
import type { World } from './world.ts'

/** How long a transaction may stand open and do nothing before the server ends it. */
const IDLE_IN_TRANSACTION_MS = 5_000
const POLL_POLICY_MS = 700
const OLDEST_POLICY_MS = 2_000

/**
 * One process of the program: the real use cases over a store, a clock and a target that it reaches over lines of its
 * own. When it is dead nothing of it goes on; while it is paused everything of it waits.
 */
export class Process {
  readonly name: string
  readonly #world: World
  readonly #transactions = new Set<Transaction>()
  readonly #heard = new Map<(subject: string) => void, string>()
  /** What happened to it while it slept. */
  #waiting: (() => void)[] = []
  #snapshot: Snapshot | undefined
  #confirmedAt = Number.NEGATIVE_INFINITY
  /** Its reading of the database's clock is ahead by so much. */
  readonly #ahead: number
  dead = false
  paused = false
  readonly store: Store
  readonly faults: string[] = []
  readonly app: ReturnType<typeof createRequestUseCases>
  gateway!: GatewayPart
  /** Registered, and ready for sessions. */
  ready = false

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
    this.#ahead = world.random.pick([0, 0, 3, 200])
    this.store = memoryStore(world.database, this.#line())
    this.app = createRequestUseCases({
      ...this.#shared(),
      cursorKey: Buffer.alloc(32, 7),
      applyApproved: () => Promise.resolve(done(undefined)),
    })
    void this.#begin()
  }

  now(): ReturnType<typeof instant> {
    return instant(this.#world.scheduler.now + this.#ahead)
  }
  policy = (): Snapshot | undefined =>
    this.#world.scheduler.now - this.#confirmedAt <= OLDEST_POLICY_MS ? this.#snapshot : undefined

  /** Runs it when the process can. */
  gate(run: () => void): void {
    if (this.dead) return
    if (this.paused) this.#waiting.push(run)
    else run()
  }
  /** Resolves when the process can go on; never when it is dead. */
  wakes(): Promise<void> {
    return new Promise((resolve) => this.gate(resolve))
  }
  after(ms: number, run: () => void): () => void {
    return this.#world.scheduler.after(ms, () => this.gate(run))
  }
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** As kill -9. */
  kill(): void {
    const { random, scheduler, target } = this.#world
    this.dead = true
    this.ready = false
    this.#waiting = []
    target.ownerDied(this)
    // Its connections break, and the server finds out.
    for (const tx of this.#transactions) scheduler.after(random.int(0, 300), () => tx.rollback())
  }
  /** As SIGSTOP. */
  pause(): void {
    this.paused = true
    for (const tx of this.#transactions)
      this.#world.scheduler.after(IDLE_IN_TRANSACTION_MS, () => {
        if (this.paused) tx.rollback()
      })
  }
  /** As SIGCONT. */
  resume(): void {
    if (!this.paused) return
    this.paused = false
    // In whatever order.
    for (const run of this.#waiting.splice(0)) this.after(this.#world.random.int(0, 2), run)
  }

  /** What every process is told, some of the time. */
  hear(subjects: ReadonlySet<string>): void {
    const { random } = this.#world
    for (const subject of subjects)
      for (const [heard, prefix] of this.#heard)
        if (subject.startsWith(prefix) && random.chance(this.#world.swarm.wakes))
          this.after(random.int(0, 5), () => heard(subject))
  }

  async refreshPolicy(): Promise<void> {
    const began = this.#world.scheduler.now
    try {
      const revision = await this.store.documents.currentRevision()
      this.#snapshot = this.#world.snapshotAt(revision)
      this.#confirmedAt = began
    } catch {
      // It gets old.
    }
  }

  async #begin(): Promise<void> {
    const shared = this.#shared()
    let names = 0
    const replica = createReplica(this.store, () => `${this.name}.${++names}`)
    const keep = async (): Promise<void> => {
      await this.refreshPolicy()
      this.after(POLL_POLICY_MS, () => void keep())
    }
    void keep()
    this.gateway = createGatewayApp({
      ...shared,
      roles: noRoles,
      replica,
      verifiers: () => Promise.reject(new Error('nobody signs in here')),
    })
    startReconciler({ ...shared, roles: noRoles, target: this.#targetControl(), say: () => undefined })
    for (;;) {
      try {
        await startHeartbeat({ ...shared, replica, cuts: this.gateway.cuts })
        this.ready = true
        return
      } catch {
        // The store is away; a supervisor would start it again.
        await this.sleep(500)
      }
    }
  }

  #shared() {
    return {
      store: this.store,
      clock: { now: () => this.now(), age: () => 0 },
      policy: this.policy,
      refreshPolicy: () => this.refreshPolicy(),
      wake: {
        subscribe: (prefix: string, heard: (subject: string) => void) => {
          this.#heard.set(heard, prefix)
          return () => void this.#heard.delete(heard)
        },
      },
      timer: { after: (ms: number, run: () => void) => this.after(ms, run) },
      ledger: {
        covered: (position: number) => this.#world.ledger.covered(this, position),
        coveredAbout: (subjects: readonly { readonly subject: string }[]) =>
          this.#world.ledger.coveredAbout(
            this,
            subjects.map((one) => one.subject),
          ),
      },
      gate: { closed: () => undefined },
      readCredential: () => Promise.resolve(done('none')),
      baseUrl: () => 'http://localhost:7400',
      onFault: (what: string, error: unknown) => void this.faults.push(`${what}: ${String(error)}`),
    }
  }

  #line(): Line {
    const { random, scheduler, swarm } = this.#world
    const broke = async (): Promise<never> => {
      await scheduler.sleep(random.int(1, 40))
      await this.wakes()
      throw new LineBroke('the store does not answer')
    }
    return {
      trip: async (leg) => {
        if (leg === 'ask') {
          await this.wakes()
          await scheduler.sleep(random.chance(swarm.slow) ? random.int(5, 300) : random.int(0, 2))
          // What was on its way when it died may still arrive.
          if (this.dead && random.chance(0.5)) await this.wakes()
        } else if (random.chance(0.15)) await scheduler.sleep(random.int(0, 3))
        if (this.#world.storeAway || random.chance(swarm.broken)) await broke()
        if (leg === 'answer') await this.wakes()
      },
      sleep: (ms) => this.sleep(random.next() * ms),
      now: () => this.now(),
      began: (tx) => {
        for (const one of this.#transactions) if (one.state === 'over') this.#transactions.delete(one)
        this.#transactions.add(tx)
        if (this.dead) scheduler.after(random.int(0, 300), () => tx.rollback())
      },
      tell: (subjects) => this.#world.tell(subjects),
      broke: (tx) => void scheduler.after(random.int(0, 1_500), () => tx.rollback()),
    }
  }

  #targetControl() {
    const { target } = this.#world
    const away = async <T>(work: () => Promise<T>): Promise<T> => {
      await this.wakes()
      try {
        return await work()
      } finally {
        await this.wakes()
      }
    }
    return {
      isGone: (_: OpenTarget, backend: Backend) => away(() => target.isGone(backend)),
      terminate: (_: OpenTarget, backend: Backend) => away(() => target.terminate(backend)),
    }
  }
}
