import type { GatewayApp, HoldInput } from '../../src/app/ports/gateway.ts'
import { connectDigest, statementDigest } from '../../src/domain/digest.ts'
import type { Digest, ResourceName, SessionId } from '../../src/domain/ids.ts'
import type { Snapshot } from '../../src/domain/policy/snapshot.ts'
import type { Principal } from '../../src/domain/principal.ts'
import type { SessionState, Subject } from '../../src/domain/request/request.ts'
import type { Backend, CloseReason } from '../../src/domain/session/session.ts'
import { holdForReview, Interruptible } from '../../src/gateway/postgres/hold.ts'
import type { Leave } from '../../src/gateway/postgres/hold.ts'
import type { Process } from './process.ts'
import type { World } from './world.ts'

export const RESOURCE = 'shop-db' as ResourceName
const STATE: SessionState = {
  database: 'shop',
  role: 'shop',
  searchPath: 'public',
  encoding: 'UTF8',
  timeZone: 'UTC',
  standardConformingStrings: true,
  inTransaction: false,
  temporaryObjects: [],
}
export type Doing = 'read' | 'write' | 'schema' | 'exec' | 'export'

/** What the digest of a text is, for whoever wants to compute it again. */
export const digestOf = (principal: string, text: string): Digest =>
  statementDigest({
    resource: RESOURCE,
    principal: principal as Principal['id'],
    text: Buffer.from(text),
    protocol: 'simple',
    parameters: [],
    parameterTypes: [],
    state: STATE,
  })

type Outcome = 'refused' | 'done' | 'failed' | 'over'

/**
 * One client's connection, carried as gateway/postgres does it (serve.ts, settle.ts, run.ts, bury.ts), over a target that
 * is simulated: the same questions to the application, in the same order.
 */
export class ClientSession {
  readonly #world: World
  readonly #process: Process
  readonly #principal: Principal
  readonly #stops = new Map<object | string, () => void>()
  #stopCuts = (): void => undefined
  #wait: Interruptible | undefined
  #session: SessionId | undefined
  #backend: Backend | undefined
  ended = false

  constructor(world: World, process: Process, principal: Principal) {
    this.#world = world
    this.#process = process
    this.#principal = principal
  }
  get #app(): GatewayApp {
    return this.#process.gateway
  }
  get id(): SessionId | undefined {
    return this.#session
  }

  /** The client goes away, whatever it waits for. */
  leave(): void {
    this.#process.gate(() => {
      this.#wait?.interrupt('left')
      if (this.#backend !== undefined) void this.#end('client_left', false)
      else this.ended = true
    })
  }
  /** Ctrl-C. */
  cancel(): void {
    this.#process.gate(() => this.#wait?.interrupt('cancelled'))
  }

  /** False when there is no session in the end. */
  async open(): Promise<boolean> {
    const app = this.#app
    const address = '::1'
    let why: CloseReason = 'failed'
    let expiresAt: number | undefined
    try {
      let leave: Leave | undefined
      for (let asked = 0; ; asked++) {
        const snapshot = await this.#policy()
        const scope = snapshot?.scope(this.#principal, RESOURCE, 'shop')
        if (snapshot === undefined || scope === undefined || asked > 3) return await this.#over(why)
        const action = { resource: RESOURCE, verb: 'connect' as const, facts: {} }
        const decision = scope.decide(action, { now: app.now(), sourceAddress: address, sessionStatements: 0 })
        if (this.#session === undefined) {
          const opened = await app.openSession({
            principal: this.#principal,
            token: 'T-1',
            resource: RESOURCE,
            database: 'shop',
            client: 'psql',
            sourceAddress: address,
            decision,
            revision: snapshot.revision,
          })
          this.#session = opened.session
          expiresAt = opened.expiresAt
        }
        if (this.ended) return await this.#over('client_left')
        if (decision.outcome === 'deny') return await this.#over('refused')
        if (decision.outcome === 'allow') break
        const of = { resource: RESOURCE, principal: this.#principal.id, database: 'shop', client: 'psql' }
        const held = await this.#hold(
          {
            session: this.#session,
            principal: this.#principal,
            resource: RESOURCE,
            subject: { kind: 'connect', database: 'shop', client: 'psql', sourceAddress: address },
            digest: connectDigest({ ...of, sourceAddress: address }),
            decision,
            revision: snapshot.revision,
          },
          snapshot,
          app,
        )
        if (held.kind === 'again') continue
        if (held.kind !== 'go') return await this.#over(this.ended ? 'client_left' : 'refused')
        leave = held.leave
        expiresAt = Math.min(expiresAt ?? leave.expiresAt, leave.expiresAt)
        break
      }
      if (this.ended) return await this.#over('client_left')
      // A moment in which the process may sleep or die.
      const backend = await this.#at(this.#world.target.connect(this.#process, this.#session))
      this.#backend = backend
      await app.attachBackend(this.#session, backend)
      if (leave?.once === true) app.finish(leave.request, { outcome: 'succeeded' }).catch(() => undefined)
      if (this.ended) {
        this.ended = false
        await this.#end('client_left', false)
        return false
      }
      if (expiresAt !== undefined) this.#deadline('session', expiresAt, () => void this.#end('expired', true))
      this.#stopCuts = app.onCut(
        this.#session,
        (order) => void this.#end(order.reason === 'expired' ? 'expired' : 'cut', true),
      )
      return true
    } catch {
      why = 'failed'
      if (this.#backend !== undefined) this.#world.target.hangUp(this.#backend.pid)
      return await this.#over(why)
    }
  }

  /** One statement of this kind, to its end. */
  async statement(doing: Doing, text: string, inTransaction = false): Promise<Outcome> {
    const app = this.#app
    for (let asked = 0; asked < 4; asked++) {
      if (this.ended || this.#session === undefined) return 'over'
      const snapshot = await this.#policy()
      if (snapshot === undefined || this.ended) return 'over'
      const scope = snapshot.scope(this.#principal, RESOURCE, 'shop')
      const sql = { statements: ['X'], tables: ['public.carts'], columns: [], hasWhere: true, functions: [] }
      const action = { resource: RESOURCE, verb: doing, facts: { sql } }
      const decision = scope?.decide(action, { now: app.now(), sourceAddress: '::1', sessionStatements: 0 })
      if (decision === undefined || decision.outcome === 'deny') return 'refused'
      if (decision.outcome === 'allow') return this.#forward(text, undefined, inTransaction)
      const subject: Subject = {
        kind: 'statement',
        text,
        parameters: [],
        actions: [action],
        state: STATE,
        notCovered: [],
      }
      const digest = digestOf(this.#principal.id, text)
      const input = {
        session: this.#session,
        principal: this.#principal,
        resource: RESOURCE,
        subject,
        digest,
        decision,
      }
      const confusion = this.#world.confusion(this)
      const held = await this.#hold({ ...input, revision: snapshot.revision }, snapshot, confusion?.app(app) ?? app)
      if (held.kind === 'again') continue
      if (held.kind === 'refused') return 'refused'
      if (held.kind === 'gone') return 'over'
      const by = confusion?.session(this) ?? this
      return await by.#forward(confusion?.text(text) ?? text, held.leave, inTransaction)
    }
    return 'refused'
  }

  #hold(input: HoldInput, snapshot: Snapshot, app: GatewayApp): ReturnType<typeof holdForReview> {
    const wait = new Interruptible()
    this.#wait = wait
    return holdForReview({
      app,
      input,
      snapshot,
      because: undefined,
      estimate: undefined,
      timeZone: 'UTC',
      kind: input.subject.kind === 'connect' ? 'connect' : 'statement',
      wait,
      tell: () => undefined,
      log: () => undefined,
    }).finally(() => (this.#wait = undefined))
  }

  /** The stored bytes go, now: nothing is waited for between the leave and the target. */
  async #forward(text: string, leave: Leave | undefined, inTransaction: boolean): Promise<Outcome> {
    const backend = this.#backend
    if (this.ended || backend === undefined) return 'over'
    const run = {}
    if (leave !== undefined) this.#use(run, leave)
    const { random, target } = this.#world
    const answered = async (outcome: 'succeeded' | 'failed'): Promise<Outcome> => {
      if (leave?.single === true) this.#call(run)
      if (leave?.once === true && !this.ended) await this.#app.finish(leave.request, { outcome }).catch(() => undefined)
      return outcome === 'succeeded' ? 'done' : 'failed'
    }
    try {
      await this.#at(
        target.run(backend.pid, text, random.chance(0.1) ? random.int(200, 4_000) : random.int(0, 20), inTransaction),
      )
      if (!inTransaction) return await answered('succeeded')
      if (this.ended || this.#session === undefined) return 'over'
      const live =
        leave === undefined ||
        (await this.#app.confirm(this.#session, [leave.request]).then(
          (one) => one.kind === 'live',
          () => false,
        ))
      if (this.ended) return 'over'
      await this.#at(target.end(backend.pid, live ? 'commit' : 'rollback'))
      return await answered(live ? 'succeeded' : 'failed')
    } catch {
      void this.#end('target_left', false)
      return 'over'
    }
  }

  /** This process's own deadline for the grant (gateway/postgres/grants-in-use.ts). */
  #use(run: object, leave: Leave): void {
    const key = leave.single ? run : leave.request
    this.#deadline(key, leave.expiresAt, () => {
      if (leave.single) return void this.#end('expired', true)
      const session = this.#session
      if (session === undefined) return undefined
      const silence = this.#process.sleep(250).then(() => undefined)
      const again = this.#app.start(leave.request, { session, digest: '' as Digest }).catch(() => undefined)
      return void Promise.race([again, silence]).then((started) => {
        if (!this.#stops.has(key) || this.ended) return
        if (started?.kind === 'go' && started.expiresAt > this.#app.now())
          this.#use(run, { ...leave, expiresAt: started.expiresAt })
        else void this.#end('expired', true)
      })
    })
  }
  #deadline(key: object | string, at: number, late: () => void): void {
    this.#call(key, true)
    this.#stops.set(key, this.#process.after(at - this.#app.now(), late))
  }
  #call(key: object | string, keep = false): void {
    this.#stops.get(key)?.()
    if (!keep) this.#stops.delete(key)
  }

  async #end(why: CloseReason, cutting: boolean): Promise<void> {
    if (this.ended) return
    this.ended = true
    this.#stopCuts()
    for (const stop of this.#stops.values()) stop()
    this.#stops.clear()
    this.#wait?.interrupt(cutting ? 'cut' : 'left')
    const { target } = this.#world
    const backend = this.#backend
    if (backend !== undefined) {
      if (!cutting) target.hangUp(backend.pid)
      try {
        if (!cutting) await this.#process.sleep(500)
        for (let tries = 0; tries < 50; tries++) {
          if (cutting ? await this.#at(target.terminate(backend)) : await this.#at(target.isGone(backend))) break
          if (!cutting && (await this.#at(target.terminate(backend)))) break
          await this.#process.sleep(100)
        }
      } catch {
        // The reconciler goes on where this ends.
      }
      // What cannot be terminated is hung up on at least.
      target.hangUp(backend.pid)
    }
    await this.#over(why)
  }
  async #over(why: CloseReason): Promise<false> {
    this.ended = true
    if (this.#session !== undefined) await this.#app.closeSession(this.#session, why).catch(() => undefined)
    return false
  }

  /** A store that was busy is waited out (gateway/postgres/policy-back.ts). */
  async #policy() {
    for (let left = 6; left > 0; left--) {
      const snapshot = this.#process.policy()
      if (snapshot !== undefined) return snapshot
      await this.#process.sleep(500)
    }
    return undefined
  }
  /** What comes from outside is heard when the process can. */
  async #at<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } finally {
      await this.#process.wakes()
    }
  }
}
