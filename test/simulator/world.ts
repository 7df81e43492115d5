import type { Caller } from '../../src/app/app.ts'
import type { GatewayApp } from '../../src/app/ports/gateway.ts'
import type { Revision, TokenId } from '../../src/domain/ids.ts'
import type { Snapshot } from '../../src/domain/policy/snapshot.ts'
import { millis } from '../../src/domain/time.ts'
import type { Recorded } from './memory/database.ts'
import { MemoryDatabase } from './memory/database.ts'
import { SimulatedLedger } from './ledger.ts'
import { Oracle } from './oracle.ts'
import type { Violation } from './oracle.ts'
import { CAST, REVIEWERS, snapshotOf, VARIANTS } from './policy.ts'
import type { Variant } from './policy.ts'
import { Process } from './process.ts'
import { Random, Scheduler } from './scheduler.ts'
import { ClientSession, digestOf } from './session.ts'
import type { Doing } from './session.ts'
import { SimulatedTarget } from './target.ts'

/** What happens in a world, and what goes wrong in it: a seed takes some of it (Groce and others, Swarm Testing, 2012). */
export interface Swarm {
  readonly processes: number
  readonly clients: number
  /** How long people and clients go on, in ms. */
  readonly length: number
  /** Of subjects that are told, the part that is heard. */
  readonly wakes: number
  /** Of messages to the store, the part that is slow, or lost with its connection. */
  readonly slow: number
  readonly broken: number
  readonly crashes: boolean
  readonly pauses: boolean
  readonly storeOutages: boolean
  readonly targetOutages: boolean
  readonly ledgerOutages: boolean
  readonly revisions: boolean
  readonly windows: boolean
  readonly transactions: boolean
  /** Clients that leave or press Ctrl-C, owners who cut and revoke. */
  readonly impatience: boolean
  /** A gateway that mixes up what was approved with something else. */
  readonly confusion: boolean
  readonly first: Variant
}

function swarmOf(random: Random): Swarm {
  const some = (of: number): boolean => random.chance(of)
  return {
    processes: random.pick([1, 1, 2, 2, 3]),
    clients: random.int(1, 3),
    length: random.int(2_500, 7_000),
    wakes: random.pick([0, 0.8, 1, 1]),
    slow: some(0.3) ? 0.05 : 0.005,
    broken: some(0.3) ? 0.01 : 0,
    crashes: some(0.4),
    pauses: some(0.25),
    storeOutages: some(0.2),
    targetOutages: some(0.2),
    ledgerOutages: some(0.15),
    revisions: some(0.4),
    windows: some(0.5),
    transactions: some(0.3),
    impatience: some(0.5),
    confusion: some(0.25),
    first: random.pick(['base', 'base', 'base', 'two', 'moved', 'held', 'brief']),
  }
}

/** What became of a seed. */
export interface Outcome {
  readonly seed: number
  readonly swarm: Swarm
  readonly violations: readonly Violation[]
  readonly seen: ReadonlyMap<string, number>
  readonly events: number
  readonly deadlocks: number
  /** What happened, one line each, where it was asked for. */
  readonly story: readonly string[]
}

/** The longest that everything may take to end once nothing is broken and everybody has left. */
const CALM_WITHIN_MS = 60_000

/** What is started, run, and where, instead of what was approved. */
interface Confusion {
  app(app: GatewayApp): GatewayApp
  text(given: string): string
  session(given: ClientSession): ClientSession
}

/** One seed's world: processes, people, clients, a target, and what goes wrong. */
export class World {
  readonly random: Random
  readonly scheduler: Scheduler
  readonly swarm: Swarm
  readonly database: MemoryDatabase
  readonly target: SimulatedTarget
  readonly ledger: SimulatedLedger
  readonly oracle: Oracle
  readonly story: string[] = []
  storeAway = false
  readonly #seed: number
  readonly #telling: boolean
  readonly #variants = new Map<number, Variant>()
  readonly #processes: Process[] = []
  readonly #sessions = new Set<ClientSession>()
  #broken = 0
  #healthySince = 0
  #closing = false
  #named = 0
  #texts = 0

  constructor(seed: number, telling = false) {
    this.#seed = seed
    this.#telling = telling
    this.random = new Random(seed)
    this.scheduler = new Scheduler(this.random)
    this.swarm = swarmOf(this.random)
    this.#variants.set(0, this.swarm.first)
    const now = (): number => this.scheduler.now
    this.database = new MemoryDatabase(now, (entries) => this.#recorded(entries))
    this.ledger = new SimulatedLedger(this)
    const { pauses, crashes, storeOutages, broken } = this.swarm
    this.oracle = new Oracle(
      this.swarm.first,
      {
        // A process that sleeps with an approval in its hands goes on when it wakes, unless its backend was ended.
        underway: pauses ? 14_000 : storeOutages || broken > 0 || crashes ? 9_000 : 1_800,
        committing: pauses ? 14_000 : storeOutages || broken > 0 || crashes ? 9_000 : 700,
        standing: pauses || crashes || storeOutages || broken > 0 ? 14_000 : 3_500,
      },
      now,
      (seq) => this.ledger.isCovered((one) => one === seq),
    )
    this.target = new SimulatedTarget(this.scheduler, this.random, (seen) => {
      this.tellStory(`target: ${seen.kind} ${seen.pid} ${seen.session} ${'text' in seen ? seen.text : ''}`)
      this.oracle.saw(seen)
    })
  }

  async run(): Promise<Outcome> {
    const { swarm, scheduler, random } = this
    for (let n = 0; n < swarm.processes; n++) this.#start()
    for (let n = 0; n < swarm.clients; n++) void this.#client(random.pick(['ana', 'ana', 'bot', 'mia']))
    for (const name of REVIEWERS) void this.#reviewer(name)
    if (swarm.windows) void this.#asker(random.pick(['ana', 'bot']))
    if (swarm.revisions) void this.#editor()
    if (swarm.impatience) void this.#owner()
    void this.#trouble()
    void this.#watch()
    const end = scheduler.now + swarm.length
    await scheduler.run(() => scheduler.now >= end || this.oracle.violations.length > 0)
    this.#closing = true
    for (const one of this.#sessions) one.leave()
    // Everything mends, and somebody is there.
    await scheduler.run(() => this.#broken === 0 || this.oracle.violations.length > 0)
    if (!this.#processes.some((one) => !one.dead)) this.#start()
    const late = scheduler.now + CALM_WITHIN_MS
    await scheduler.run(() => this.#calm() || scheduler.now > late || this.oracle.violations.length > 0)
    if (this.oracle.violations.length === 0) this.oracle.over()
    return {
      seed: this.#seed,
      swarm,
      violations: this.oracle.violations,
      seen: this.oracle.seen,
      events: scheduler.events,
      deadlocks: this.database.locks.deadlocks,
      story: this.story,
    }
  }

  snapshotAt(revision: number): Snapshot {
    return snapshotOf(revision, this.#variants.get(revision) ?? this.swarm.first, [])
  }
  tell(subjects: ReadonlySet<string>): void {
    for (const one of this.#processes) one.hear(subjects)
  }
  tellStory(line: string): void {
    if (this.#telling) this.story.push(`${this.scheduler.now - 1_000_000}: ${line}`)
  }

  /** What a gateway that is not right in the head does with an approval. */
  confusion(of: ClientSession): Confusion | undefined {
    if (!this.swarm.confusion || !this.random.chance(0.4)) return undefined
    const how = this.random.pick(['bytes', 'session', 'twice'] as const)
    const other = [...this.#sessions].find((one) => one !== of && one.id !== undefined && !one.ended)
    if (how === 'session' && other?.id === undefined) return undefined
    const text = `write ${++this.#texts} of another mind`
    this.tellStory(`${of.id} is confused: ${how}`)
    let asked = false
    const start =
      (app: GatewayApp): GatewayApp['start'] =>
      async (request, input) => {
        asked = true
        if (how === 'bytes') return app.start(request, { ...input, digest: digestOf('ana', text) })
        if (how === 'session') return app.start(request, { ...input, session: other?.id ?? input.session })
        const first = await app.start(request, input)
        return this.random.chance(0.5) ? app.start(request, input) : first
      }
    // Where nobody was asked, there is nothing that could be mixed up.
    return {
      app: (app) => ({ ...app, start: start(app) }),
      text: (given) => (asked && how === 'bytes' ? text : given),
      session: (given) => (asked && how === 'session' && other !== undefined ? other : given),
    }
  }

  #recorded(entries: readonly Recorded[]): void {
    for (const entry of entries)
      this.tellStory(
        `${entry.seq} ${entry.kind} ${entry.subject} ${entry.actor ?? ''} ${JSON.stringify(entry.body['why'] ?? '')}`,
      )
    this.oracle.recorded(entries)
  }

  #start(): Process {
    const process = new Process(this, `p${++this.#named}`)
    this.#processes.push(process)
    return process
  }
  /** One that takes connections, as far as anybody outside can tell. */
  #someone(): Process | undefined {
    const ready = this.#processes.filter((one) => one.ready && !one.dead)
    return ready.length === 0 ? undefined : this.random.pick(ready)
  }
  #sleep(least: number, most: number): Promise<void> {
    return this.scheduler.sleep(this.random.int(least, most))
  }
  #caller(name: string): Caller {
    const principal = CAST.find((one) => one.id === name)
    if (principal === undefined) throw new Error(`there is no ${name}`)
    return { principal, token: 'T-1' as TokenId, scopes: ['all'], sourceAddress: '127.0.0.1' }
  }
  /** People do not wait for ever for an answer; `undefined` when there was none. */
  async #ask<T>(work: (process: Process) => Promise<T>): Promise<T | undefined> {
    const process = this.#someone()
    if (process === undefined) return undefined
    return Promise.race([work(process).catch(() => undefined), this.scheduler.sleep(4_000).then(() => undefined)])
  }

  async #client(name: string): Promise<void> {
    const { principal } = this.#caller(name)
    while (!this.#closing) {
      await this.#sleep(0, 1_200)
      const process = this.#someone()
      if (process === undefined || this.#closing) continue
      const session = new ClientSession(this, process, principal)
      this.#sessions.add(session)
      const leaves = this.swarm.impatience && this.random.chance(0.3)
      if (leaves) this.scheduler.after(this.random.int(0, 6_000), () => session.leave())
      // Of a process that died the client reads a closed connection, and comes again.
      const opened = await Promise.race([session.open(), this.#gone(process)])
      const statements = opened === true ? this.random.int(1, 5) : 0
      for (let n = 0; n < statements && !session.ended && !this.#closing; n++) {
        const doing = this.random.pick<Doing>(['read', 'write', 'write', 'write', 'exec', 'schema', 'export'])
        if (this.swarm.impatience && this.random.chance(0.15))
          this.scheduler.after(this.random.int(0, 3_000), () => session.cancel())
        const text = `${doing} ${++this.#texts} by ${name}`
        const within = this.swarm.transactions && this.random.chance(0.5)
        if ((await Promise.race([session.statement(doing, text, within), this.#gone(process)])) === undefined) break
        await this.#sleep(0, 500)
      }
      if (opened === true) session.leave()
      if (process.dead) this.#sessions.delete(session)
      await this.#sleep(0, 400)
    }
  }
  async #gone(process: Process): Promise<undefined> {
    while (!process.dead) await this.scheduler.sleep(700)
    return undefined
  }

  async #reviewer(name: string): Promise<void> {
    const caller = this.#caller(name)
    while (!this.#closing) {
      await this.#sleep(100, 900)
      const pending = [...this.database.committed.request.values()].filter(({ request }) => request.state === 'pending')
      if (pending.length === 0) continue
      const mine = pending.filter((row) => row.asked.includes(name))
      // Some try what is not theirs to say.
      const row = this.random.pick(mine.length > 0 && !this.random.chance(0.1) ? mine : pending)
      const { id, digest, reviews } = row.request
      if (reviews.some((one) => one.by === name) && !this.random.chance(0.05)) continue
      const verdict = this.random.chance(0.85) ? ('approve' as const) : ('deny' as const)
      const given = await this.#ask((process) =>
        process.app.review(caller, id, {
          verdict,
          digest: this.random.chance(0.04) ? digestOf(name, 'something else') : digest,
          words: 'words',
          ...(this.random.chance(0.2) ? { atMost: millis(this.random.int(1_000, 4_000)) } : {}),
        }),
      )
      if (given?.ok !== true) continue
      // What was acknowledged is there.
      const there = this.database.record.some(
        (one) => one.kind === 'review.given' && one.actor === name && one.body['request'] === id,
      )
      if (!there)
        this.oracle.violations.push({
          invariant: 'I4',
          at: this.scheduler.now,
          what: `${name}'s review of ${id} is lost`,
        })
    }
  }

  async #asker(name: string): Promise<void> {
    const caller = this.#caller(name)
    while (!this.#closing) {
      const asked = await this.#ask((process) =>
        process.app.requestWindow(caller, {
          resource: 'shop-db',
          verbs: ['write'],
          length: millis(this.random.int(1_500, 9_000)),
        }),
      )
      await this.#sleep(500, 3_000)
      if (asked?.ok !== true) continue
      const { id } = asked.value.request
      const what = this.random.pick(['extend', 'release', 'revoke', 'withdraw', 'nothing', 'nothing'] as const)
      await this.#ask<unknown>(({ app }) => {
        switch (what) {
          case 'extend':
            return app.extendGrant(caller, id, { length: millis(2_000) })
          case 'release':
            return app.releaseGrant(caller, id)
          case 'revoke':
            return app.revokeGrant(this.#caller('mia'), id, {})
          case 'withdraw':
            return app.withdrawRequest(caller, id)
          case 'nothing':
            return Promise.resolve()
          default:
            return what satisfies never
        }
      })
      await this.#sleep(0, 2_500)
    }
  }

  /** Puts other documents in force, in one transaction with their entry. */
  async #editor(): Promise<void> {
    while (!this.#closing) {
      await this.#sleep(1_000, 5_000)
      const variant = this.random.pick(VARIANTS)
      const by = this.#caller(this.random.pick(['sam', 'lee'])).principal.id
      await this.#ask(({ store }) =>
        store.transaction(async (tx) => {
          const revision = ((await tx.documents.lockRevision()) + 1) as Revision
          this.#variants.set(revision, variant)
          await tx.documents.insertRevision(
            { revision, at: tx.now, by, summary: [], unreviewed: false },
            { put: [], remove: [] },
          )
          await tx.record.append({ kind: 'revision.applied', subject: 'revision', actor: by, body: { variant } })
        }),
      )
    }
  }

  /** Cuts sessions and takes grants back. */
  async #owner(): Promise<void> {
    while (!this.#closing) {
      await this.#sleep(800, 4_000)
      const grants = [...this.database.committed.grant.values()].filter(({ grant }) => grant.state === 'active')
      const open = [...this.database.committed.session.values()].filter(({ session }) => session.state === 'open')
      if (grants.length > 0 && this.random.chance(0.5)) {
        const { grant } = this.random.pick(grants)
        await this.#ask(({ app }) => app.revokeGrant(this.#caller('mia'), grant.id, {}))
      } else if (open.length > 0) {
        const { session } = this.random.pick(open)
        await this.#ask(({ app }) => app.cutSession(this.#caller('mia'), session.id))
      }
    }
  }

  async #trouble(): Promise<void> {
    const { swarm, random } = this
    const kinds = (['crashes', 'pauses', 'storeOutages', 'targetOutages', 'ledgerOutages'] as const).filter(
      (one) => swarm[one],
    )
    if (kinds.length === 0) return
    while (!this.#closing) {
      await this.#sleep(500, 3_500)
      if (this.#closing) return
      void this.#suffer(random.pick(kinds))
    }
  }
  async #suffer(what: 'crashes' | 'pauses' | 'storeOutages' | 'targetOutages' | 'ledgerOutages'): Promise<void> {
    const { random, scheduler } = this
    this.#broken++
    this.tellStory(`trouble: ${what}`)
    const living = this.#processes.filter((one) => !one.dead)
    switch (what) {
      case 'crashes': {
        if (living.length === 0) break
        random.pick(living).kill()
        await this.#sleep(100, 3_000)
        this.#start()
        break
      }
      case 'pauses': {
        const awake = living.filter((one) => !one.paused)
        if (awake.length === 0) break
        const one = random.pick(awake)
        one.pause()
        await this.#sleep(200, 12_000)
        one.resume()
        break
      }
      case 'storeOutages':
        this.storeAway = true
        await this.#sleep(200, 5_000)
        this.storeAway = false
        break
      case 'targetOutages':
        if (random.chance(0.4)) this.target.crash()
        else {
          this.target.away = true
          await this.#sleep(200, 6_000)
          this.target.away = false
        }
        break
      case 'ledgerOutages':
        this.ledger.away = true
        await this.#sleep(200, 7_000)
        this.ledger.away = false
        break
      default:
        what satisfies never
    }
    this.#broken--
    this.#healthySince = scheduler.now
    this.tellStory(`over: ${what}`)
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.scheduler.sleep(500)
      if (this.#broken > 0) continue
      this.oracle.look(this.#healthySince)
      this.oracle.lookAtWindows(this.#healthySince)
    }
  }

  /** Nothing is left to end. */
  #calm(): boolean {
    const { request, grant, session, execution } = this.database.committed
    if (this.target.alive.length > 0) return false
    for (const one of session.values()) if (one.session.state === 'open') return false
    for (const one of request.values()) if (one.request.state === 'pending') return false
    for (const one of grant.values()) if (one.grant.state !== 'ended') return false
    for (const one of execution.values()) if (one.state === 'started') return false
    return true
  }
}
