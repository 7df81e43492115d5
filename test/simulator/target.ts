import type { Backend } from '../../src/domain/session/session.ts'
import type { Random, Scheduler } from './scheduler.ts'

/** What the target saw: the oracle's witness. */
export type Seen =
  | { readonly kind: 'connected' | 'gone'; readonly at: number; readonly pid: number; readonly session: string }
  /** It arrived and began to run; `done`: it is committed; `undone`: it is not, and never will be. */
  | {
      readonly kind: 'run' | 'done' | 'undone'
      readonly at: number
      readonly pid: number
      readonly session: string
      readonly text: string
      /** Somebody said COMMIT, or ROLLBACK. */
      readonly asked?: boolean
    }

/** The process that holds the other end. */
interface Owner {
  readonly dead: boolean
}
interface Connection {
  readonly pid: number
  readonly startedAt: string
  readonly session: string
  alive: boolean
  readonly owner: Owner
  /** What runs, or stands uncommitted. */
  open: readonly string[]
  running: (() => void) | undefined
}

/** The connection broke, or cannot be had. */
export class TargetAway extends Error {}

/** A server with backends that run texts, each once, and can be away. It knows nothing of requests and grants. */
export class SimulatedTarget {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #heard: (seen: Seen) => void
  readonly #connections = new Map<number, Connection>()
  #next = 100
  /** Nobody reaches it while this is so. */
  away = false

  constructor(scheduler: Scheduler, random: Random, heard: (seen: Seen) => void) {
    this.#scheduler = scheduler
    this.#random = random
    this.#heard = heard
  }

  get alive(): readonly { readonly pid: number; readonly session: string; readonly open: readonly string[] }[] {
    return [...this.#connections.values()].filter((one) => one.alive)
  }

  async connect(owner: Owner, session: string): Promise<Backend> {
    await this.#latency()
    if (this.away || owner.dead) throw new TargetAway('the target cannot be reached')
    const pid = this.#next++
    const startedAt = `at ${this.#scheduler.now}`
    this.#connections.set(pid, { pid, startedAt, session, alive: true, owner, open: [], running: undefined })
    this.#heard({ kind: 'connected', at: this.#scheduler.now, pid, session })
    return { pid, startedAt }
  }

  /**
   * Sends one text. Resolves when its answer is here; rejects when the connection broke, and then nobody knows.
   * @param stays its effect is not committed before `commit`.
   */
  async run(pid: number, text: string, ms: number, stays = false): Promise<void> {
    await this.#latency()
    const connection = this.#alive(pid)
    connection.open = [...connection.open, text]
    this.#see('run', connection, text)
    await new Promise<void>((resolve, reject) => {
      connection.running = () => reject(new TargetAway('the connection broke'))
      this.#scheduler.after(ms, resolve)
    })
    connection.running = undefined
    if (!connection.alive) throw new TargetAway('the connection broke')
    if (!stays) this.#settle(connection, 'done')
    await this.#latency()
    if (!connection.alive) throw new TargetAway('the connection broke')
  }
  async end(pid: number, how: 'commit' | 'rollback'): Promise<void> {
    await this.#latency()
    const connection = this.#alive(pid)
    this.#settle(connection, how === 'commit' ? 'done' : 'undone', true)
    await this.#latency()
    if (!connection.alive) throw new TargetAway('the connection broke')
  }

  /** The other end of it was closed. */
  hangUp(pid: number): void {
    const connection = this.#connections.get(pid)
    if (connection === undefined) return
    // What runs is looked after once a second only.
    this.#scheduler.after(connection.running === undefined ? 1 : this.#random.int(1, 1_000), () =>
      this.#kill(connection),
    )
  }
  /** A process died, and its sockets with it. */
  ownerDied(owner: Owner): void {
    for (const one of this.#connections.values()) if (one.owner === owner && one.alive) this.hangUp(one.pid)
  }
  crash(): void {
    for (const one of this.#connections.values()) this.#kill(one)
  }

  async isGone(backend: Backend): Promise<boolean> {
    await this.#latency()
    if (this.away) throw new TargetAway('the target cannot be reached')
    return !this.#is(backend)
  }
  async terminate(backend: Backend): Promise<boolean> {
    await this.#latency()
    if (this.away) throw new TargetAway('the target cannot be reached')
    const connection = this.#connections.get(backend.pid)
    if (connection === undefined || !this.#is(backend)) return true
    // A backend may be slow to go.
    if (this.#random.chance(0.1)) return false
    this.#kill(connection)
    await this.#latency()
    return true
  }

  #is = (backend: Backend): boolean => {
    const connection = this.#connections.get(backend.pid)
    return connection?.alive === true && connection.startedAt === backend.startedAt
  }
  #alive(pid: number): Connection {
    const connection = this.#connections.get(pid)
    if (connection?.alive !== true) throw new TargetAway('the connection broke')
    return connection
  }
  #kill(connection: Connection): void {
    if (!connection.alive) return
    connection.alive = false
    this.#settle(connection, 'undone')
    this.#heard({ kind: 'gone', at: this.#scheduler.now, pid: connection.pid, session: connection.session })
    connection.running?.()
  }
  #settle(connection: Connection, how: 'done' | 'undone', asked = false): void {
    for (const text of connection.open) this.#see(how, connection, text, asked)
    connection.open = []
  }
  #see(kind: 'run' | 'done' | 'undone', { pid, session }: Connection, text: string, asked = false): void {
    this.#heard({ kind, at: this.#scheduler.now, pid, session, text, asked })
  }
  #latency(): Promise<void> {
    return this.#scheduler.sleep(this.#random.chance(0.03) ? this.#random.int(10, 120) : this.#random.int(0, 3))
  }
}
