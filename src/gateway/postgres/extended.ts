import type { Verb } from '../../domain/verb.ts'
import {
  decodeBind,
  decodeBindNames,
  decodeExecute,
  decodeNamed,
  decodeParse,
  FRONTEND,
} from '../../wire/postgres/frontend.ts'
import { assume } from './as-role.ts'
import { beginCount, countingOf, executeCounted } from './counted-run.ts'
import type { CountedPortal } from './counted-run.ts'
import type { Cleared, Desk } from './desk.ts'
import { FewMap } from './few.ts'
import type { Bench } from './judge.ts'
import { mayCommit } from './row-count.ts'
import type { Run } from './run.ts'
import { clearAtOnce, settle } from './settle.ts'
import type { Prepared } from './statements.ts'
import type { Expected } from './target-line.ts'

interface Portal extends Cleared {
  readonly prepared: Prepared
  /** Kept so that a decision at Execute can show the same parameters. */
  readonly bindFrame: Buffer
  /** With `leave` set it was reviewed, and then this is its one run, however often it is executed. */
  run: Run | undefined
  /** How many columns the target said its rows have, once the client has asked it. */
  columns?: number
  readonly bench: Bench | undefined
  readonly decidedAt: number
  /** Its rows are counted while it runs. */
  readonly counted?: CountedPortal
}
/** A decision that is older is made again before Execute. */
const FRESH_MS = 1000

/** Verbs of what may run something while it is only analysed. */
const RUNS_IN_ANALYSIS: ReadonlySet<Verb> = new Set(['exec', 'admin', 'unknown'])

/** Nothing to wait for; or a promise that no later message may overtake; or what is wrong with the message. */
export type Handled = undefined | Promise<void | string> | string

/**
 * The extended protocol (section 54.2.3). A decision is made at Bind, before it is forwarded, because planning already
 * runs IMMUTABLE functions; and made again at Execute when it is not fresh any more.
 */
export class Extended {
  readonly #desk: Desk
  readonly #portals = new FewMap<string, Portal>()

  constructor(desk: Desk) {
    this.#desk = desk
    desk.bound = (portal) => this.#portals.get(portal) !== undefined
  }

  parse(frame: Buffer): Handled {
    const parse = decodeParse(frame)
    if (parse === undefined) return 'a malformed Parse, or one that is not UTF-8'
    const desk = this.#desk
    desk.release()
    const prepared: Prepared = { text: parse.text, types: parse.types, stretch: desk.stretch }
    const undo = desk.prepared.set(parse.name, prepared)
    desk.keep(frame, { kind: 'parse', undo, done: () => void (prepared.confirmed = true) }, prepared)
    return undefined
  }

  /**
   * Whether the Parse that waits has to be decided before anything else is: analysing it may already run the checks of
   * the types of its literals, and no Bind of the same statement is behind it, whose decision would count for both.
   */
  mustAsk(tag: number, frame: Buffer): boolean {
    const desk = this.#desk
    const { kept } = desk
    if (kept === undefined || tag === FRONTEND.Terminate) return false
    if (tag === FRONTEND.Bind && desk.prepared.get(decodeBindNames(frame)?.statement ?? '') === kept) return false
    return desk.judge.work(kept.text, kept.types).verbs.some((verb) => RUNS_IN_ANALYSIS.has(verb))
  }

  /** False when it may not go to the target. */
  async askForParse(): Promise<boolean> {
    const desk = this.#desk
    const { kept } = desk
    if (kept === undefined) return true
    // A text that a thread reads was not known yet when it was thought to need this.
    const { verbs } = await desk.judge.workLater(kept.text, kept.types)
    if (desk.ended || !verbs.some((verb) => RUNS_IN_ANALYSIS.has(verb))) return !desk.ended
    const verdict = await settle(desk, { protocol: 'extended', text: kept.text, types: kept.types, bind: undefined })
    if (verdict.kind === 'refused') await desk.refuse(verdict.told, 'extended', true)
    if (verdict.kind !== 'go') {
      desk.drop()
      return false
    }
    if (verdict.leave === undefined) desk.release()
    else {
      const run = desk.run(kept.text, verdict)
      desk.release({
        done: () => run.finish('succeeded'),
        undo: () => run.finish('failed', '42601'),
      })
    }
    desk.of.state.doubt()
    return true
  }

  bind(frame: Buffer): Handled {
    const names = decodeBindNames(frame)
    if (names === undefined) return 'a malformed Bind'
    const desk = this.#desk
    const prepared = desk.prepared.get(names.statement)
    // A name may be forgotten here by a message that the target is about to refuse.
    if (prepared === undefined ? !desk.line.quiet : !desk.isSure(prepared)) return this.#bindWhenSure(frame)
    if (prepared === undefined || prepared.body !== undefined) {
      desk.release()
      return this.#unknown('26000', names.statement)
    }
    const cleared = clearAtOnce(desk, prepared.text, prepared.types, names.statement !== '')
    if (cleared === undefined) return this.#bindLater(frame, names.portal, prepared)
    this.#bound(frame, names.portal, prepared, cleared)
    return undefined
  }

  /** Once the target has answered everything, the name means what it means. */
  async #bindWhenSure(frame: Buffer): Promise<void | string> {
    const desk = this.#desk
    desk.release()
    await desk.line.drain()
    if (desk.ended || desk.line.skipping) return undefined
    return await this.bind(frame)
  }

  async #bindLater(frame: Buffer, portal: string, prepared: Prepared): Promise<void | string> {
    const bind = decodeBind(frame)
    if (bind === undefined) return 'a malformed Bind'
    const name = bind.statement
    const { text, types, described } = prepared
    const verdict = await settle(this.#desk, { protocol: 'extended', text, types, described, bind })
    if (verdict.kind === 'refused') await this.#desk.refuse(verdict.told, 'extended', true)
    if (verdict.kind !== 'go') return undefined
    // Looking at the session may have shown that the name is another statement's by now.
    if (this.#desk.prepared.get(name) !== prepared) {
      if (verdict.leave !== undefined) this.#desk.run(text, verdict).finish('failed', '26000')
      return await this.#unknown('26000', name)
    }
    const told = await assume(this.#desk, verdict.leave, verdict.work, true)
    if (this.#desk.ended) return undefined
    if (told !== undefined) {
      this.#desk.refused(text, verdict, told)
      return await this.#desk.refuse(told, 'extended', true)
    }
    const counting = countingOf(verdict)
    if (counting === undefined) {
      this.#bound(frame, portal, prepared, verdict)
      return undefined
    }
    const run = this.#desk.run(text, verdict)
    const counted = await beginCount(this.#desk, run, counting)
    if (counted !== undefined) this.#bound(frame, portal, prepared, verdict, { run, counted })
    return undefined
  }

  #bound(
    frame: Buffer,
    name: string,
    prepared: Prepared,
    { work, decision, leave }: Cleared,
    begun?: { readonly run: Run; readonly counted: CountedPortal },
  ): void {
    const desk = this.#desk
    const run = begun?.run ?? (leave === undefined ? undefined : desk.run(prepared.text, { work, decision, leave }))
    const bench = desk.judge.bench()
    const before = this.#portals.get(name)
    const decidedAt = performance.now()
    const portal: Portal = { prepared, bindFrame: frame, run, leave, decision, work, bench, decidedAt }
    this.#portals.set(name, begun === undefined ? portal : { ...portal, counted: begun.counted })
    const undo = () => {
      run?.finish('failed', '25P02')
      if (before === undefined) this.#portals.delete(name)
      else this.#portals.set(name, before)
    }
    desk.forward(frame, { kind: 'bind', undo })
  }

  execute(frame: Buffer): Handled {
    const execute = decodeExecute(frame)
    if (execute === undefined) return 'a malformed Execute'
    const desk = this.#desk
    desk.release()
    const portal = this.#portals.get(execute.portal)
    if (portal === undefined) return this.#unknown('34000', execute.portal)
    if (portal.leave !== undefined) {
      if (portal.run?.isOver !== false) {
        const message = 'what was approved ran already; bind it again to ask again'
        return desk.refuse({ severity: 'ERROR', code: '55000', message }, 'extended')
      }
      return this.#run(frame, portal)
    }
    const { judge } = desk
    const fresh = judge.bench() === portal.bench && performance.now() - portal.decidedAt < FRESH_MS
    if (fresh && portal.bench !== undefined && !desk.of.state.stale) {
      return this.#run(frame, portal)
    }
    const cleared = clearAtOnce(desk, portal.prepared.text, portal.prepared.types)
    if (cleared === undefined) return this.#executeLater(frame, execute.portal, portal)
    const decided: Portal = { ...portal, ...cleared, bench: judge.bench(), decidedAt: performance.now() }
    this.#portals.set(execute.portal, decided)
    return this.#run(frame, decided)
  }

  async #executeLater(frame: Buffer, name: string, portal: Portal): Promise<void | string> {
    const bind = decodeBind(portal.bindFrame)
    if (bind === undefined) return 'a malformed Bind'
    const desk = this.#desk
    const { text, types, described } = portal.prepared
    const verdict = await settle(desk, { protocol: 'extended', text, types, described, bind })
    if (verdict.kind === 'refused') await desk.refuse(verdict.told, 'extended', true)
    if (verdict.kind !== 'go') return
    const { work, decision, leave } = verdict
    const told = await assume(desk, leave, work, true)
    if (desk.ended) return
    if (told !== undefined) {
      desk.refused(text, verdict, told)
      return await desk.refuse(told, 'extended', true)
    }
    const run = leave === undefined ? portal.run : desk.run(text, verdict)
    const bench = desk.judge.bench()
    const counting = countingOf(verdict)
    const counted = counting === undefined || run === undefined ? undefined : await beginCount(desk, run, counting)
    if (counting !== undefined && counted === undefined) return
    const decided: Portal = {
      ...portal,
      work,
      decision,
      leave,
      run,
      bench,
      decidedAt: performance.now(),
      ...(counted === undefined ? {} : { counted }),
    }
    this.#portals.set(name, decided)
    return await this.#run(frame, decided)
  }

  #run(frame: Buffer, portal: Portal): Handled {
    const role = portal.leave?.role?.name
    if (role !== undefined && this.#desk.assumed?.role !== role) return this.#runAsRole(frame, portal)
    if (this.#desk.mustConfirm(portal.work, 'extended')) return this.#commit(frame, portal)
    return this.#go(frame, portal)
  }

  /** It goes on with rows that it has not given yet, and what was between them ran as somebody else. */
  async #runAsRole(frame: Buffer, portal: Portal): Promise<void | string> {
    const desk = this.#desk
    await desk.line.drain()
    if (desk.ended || desk.line.skipping) return undefined
    const told = await assume(desk, portal.leave, portal.work, true)
    if (desk.ended) return undefined
    if (told !== undefined) return await desk.refuse(told, 'extended', true)
    // In a transaction that has failed nobody assumes anything: the target refuses it by itself.
    return await (desk.assumed === undefined ? this.#go(frame, portal) : this.#run(frame, portal))
  }

  /** Whether this message belongs to what runs as the role of a grant. */
  goesOnAs(tag: number, frame: Buffer): boolean {
    if (tag === FRONTEND.Describe) return decodeNamed(frame)?.what === 'portal'
    if (tag === FRONTEND.Flush || tag === FRONTEND.Terminate) return true
    if (tag !== FRONTEND.Execute) return false
    const role = this.#portals.get(decodeExecute(frame)?.portal ?? '')?.leave?.role?.name
    return role !== undefined && role === this.#desk.assumed?.role
  }

  #go(frame: Buffer, portal: Portal): Promise<void> | undefined {
    const { counted, run } = portal
    if (counted !== undefined && run !== undefined)
      return executeCounted(this.#desk, run, counted, (ears, keep) => this.#send(frame, portal, { run: ears, keep }))
    this.#send(frame, portal)
    return undefined
  }

  /** It commits what was done under a review. */
  async #commit(frame: Buffer, portal: Portal): Promise<void> {
    const desk = this.#desk
    const told = await desk.confirm()
    // What came before it failed, and the target ignores this as it ignores everything up to Sync.
    if (desk.ended || desk.line.skipping) return
    if (told === undefined) return await this.#go(frame, portal)
    if (portal.run === undefined) desk.refused(portal.prepared.text, portal, told)
    await desk.takeBack(told, 'extended')
  }

  #send(frame: Buffer, portal: Portal, heard?: Pick<Expected, 'run' | 'keep'>): void {
    const desk = this.#desk
    const { text } = portal.prepared
    // A row limit that was reached leaves the run open: the next Execute goes on with it.
    if (portal.run === undefined || portal.run.isOver) portal.run = desk.run(text, portal)
    portal.run.executed = true
    const { reviewed } = desk
    const ran = reviewed.size > 0 && mayCommit(portal.work, text) ? reviewed.commitsByItself() : undefined
    const follow = desk.follow(portal.work, text)
    const undo = (skipped: boolean): void => {
      follow?.(skipped)
      if (!skipped) ran?.()
    }
    const expected = {
      kind: 'execute' as const,
      run: portal.run,
      copies: portal.work.copies,
      completed: ran ?? (reviewed.size > 0 ? reviewed.watch(portal.work.effects) : undefined),
      portal,
      limited: frame.readInt32BE(frame.length - 4) > 0,
      ...heard,
    }
    desk.forward(frame, follow === undefined && ran === undefined ? expected : { ...expected, undo })
  }

  describe(frame: Buffer): Handled {
    const named = decodeNamed(frame)
    if (named === undefined) return 'a malformed Describe'
    const prepared = named.what === 'statement' ? this.#desk.prepared.get(named.name) : undefined
    const types = (described: readonly number[]) => {
      if (prepared !== undefined) prepared.described = described
    }
    const portal = named.what === 'portal' ? this.#portals.get(named.name) : undefined
    this.#desk.forward(frame, { kind: 'describe', types, portal })
    return undefined
  }

  close(frame: Buffer): Handled {
    const named = decodeNamed(frame)
    if (named === undefined) return 'a malformed Close'
    const desk = this.#desk
    desk.release()
    if (named.what === 'statement') {
      desk.forward(frame, { kind: 'close', undo: desk.prepared.delete(named.name) })
      return undefined
    }
    const portal = this.#portals.get(named.name)
    this.#portals.delete(named.name)
    const undo = () => {
      if (portal !== undefined && this.#portals.get(named.name) === undefined) this.#portals.set(named.name, portal)
    }
    desk.forward(frame, { kind: 'close', undo, done: () => portal?.run?.letGo() })
    return undefined
  }

  /** A simple query discards the unnamed statement and portal. */
  discardUnnamed(): void {
    this.#desk.prepared.delete('')
    this.#portals.delete('')
  }

  /** The transaction is over, and every portal with it. */
  transactionOver(): void {
    this.#portals.clear()
    // One that was never executed, or not to its end, does nothing more.
    if (this.#desk.runs.size > 0) for (const run of this.#desk.runs) run.letGo()
  }

  /** In PostgreSQL's own words, which some drivers look at. */
  #unknown(code: '26000' | '34000', name: string): Promise<void> {
    const what = code === '34000' ? `portal "${name}"` : `prepared statement "${name}"`
    const message = `${code === '26000' && name === '' ? 'unnamed prepared statement' : what} does not exist`
    return this.#desk.refuse({ severity: 'ERROR', code, message, detail: UNSEEN }, 'extended')
  }
}

const UNSEEN = 'The gateway did not see it being made by this session with Parse, Bind or PREPARE.'
