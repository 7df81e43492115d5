import type { CatalogueWatch } from '../../app/ports/catalogue.ts'
import type { GatewayApp } from '../../app/ports/gateway.ts'
import type { Classified, Classifier, StatementShape, TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { Action, Context } from '../../domain/action.ts'
import type { ResourceName } from '../../domain/ids.ts'
import type { Decision } from '../../domain/policy/decision.ts'
import type { DecisionScope, Snapshot } from '../../domain/policy/snapshot.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Verb } from '../../domain/verb.ts'
import type { PreparedStatements } from './statements.ts'
import type { TargetState } from './target-state.ts'
import { decideActions, planWork } from '../../app/gateway/work.ts'
import type { Work } from '../../app/gateway/work.ts'

/** Object ids from here on are the target's own (FirstNormalObjectId); types before it run nothing but input functions. */
const OWN_TYPES = 16_384

/** A policy and what it says about this principal on this resource. */
export interface Bench {
  readonly snapshot: Snapshot
  readonly scope: DecisionScope
}

/** Classifies and decides for one session. What the parser says is cached; what policy decides never is. */
export class Judge {
  readonly #app: GatewayApp
  readonly #classifier: Classifier
  readonly #watch: CatalogueWatch | undefined
  readonly #principal: Principal
  readonly #resource: ResourceName
  readonly #database: string
  readonly #sourceAddress: string
  readonly #state: TargetState
  readonly #prepared: PreparedStatements
  #works = new WeakMap<Classified, Work>()
  #doubt: string | undefined
  #bench: Bench | undefined
  #needs = new Map<Verb, boolean>()
  /** Statements run so far, which rules may look at. */
  ran = 0

  constructor(of: {
    readonly app: GatewayApp
    readonly classifier: Classifier
    readonly watch: CatalogueWatch | undefined
    readonly principal: Principal
    readonly resource: ResourceName
    readonly database: string
    readonly sourceAddress: string
    readonly state: TargetState
    readonly prepared: PreparedStatements
  }) {
    this.#app = of.app
    this.#classifier = of.classifier
    this.#watch = of.watch
    this.#principal = of.principal
    this.#resource = of.resource
    this.#database = of.database
    this.#sourceAddress = of.sourceAddress
    this.#state = of.state
    this.#prepared = of.prepared
  }

  /**
   * What `text` does, in the session as it is now.
   * @param types those that Parse declared for its parameters.
   */
  work(text: string, types: readonly number[] = []): Work {
    const catalogue = this.#catalogue()
    return this.#plan(this.#classifier.classify(text, catalogue, this.#state.searchPath), types, catalogue)
  }

  /** The same, also of a text that is so long or deep that a thread reads it. By the catalogue as it is afterwards. */
  async workLater(text: string, types: readonly number[] = []): Promise<Work> {
    for (let left = 3; ; left--) {
      // The last look is too old to be trusted, because this process or the target was busy: look, before people are asked.
      if (this.#watch?.current() === undefined) await this.#watch?.refresh().catch(() => undefined)
      const catalogue = this.#catalogue()
      const { searchPath } = this.#state
      const classified = await this.#classifier.classifyLater(text, catalogue, searchPath)
      for (const effect of classified.kind === 'statements'
        ? new Set(classified.statements.map((one) => one.effect))
        : []) {
        const prepared = effect.kind === 'execute' ? this.#prepared.get(effect.name) : undefined
        if (prepared !== undefined) await this.#classifier.classifyLater(prepared.text, catalogue, searchPath)
      }
      const now = this.#catalogue()
      if (now?.version === catalogue?.version && this.#state.searchPath === searchPath)
        return this.#plan(classified, types, now)
      if (left > 0) continue
      const message = 'the catalogue of the target changed again and again while the text was read'
      return this.#plan({ kind: 'failed', message }, types, now)
    }
  }

  #catalogue(): TargetCatalogue | undefined {
    return this.#state.catalogueOpen ? this.#state.ownCatalogue : this.#watch?.current()
  }

  #plan(classified: Classified, types: readonly number[], catalogue: TargetCatalogue | undefined): Work {
    const doubt = this.#state.temporaryCode
      ? 'temporary objects of this session may run code under known names'
      : undefined
    if (doubt !== this.#doubt) {
      this.#doubt = doubt
      this.#works = new WeakMap()
    }
    const body = (name: string) => this.#body(name, catalogue)
    if (types.some((type) => type >= OWN_TYPES && (catalogue?.otherTypeOids?.has(type) ?? true))) {
      return planWork(
        this.#resource,
        classified,
        body,
        'the declared type of a parameter may run code when it is bound',
      )
    }
    const known = this.#works.get(classified)
    if (known !== undefined) return known
    const work = planWork(this.#resource, classified, body, doubt)
    // What EXECUTE does depends on what was prepared: looked up every time.
    if (work.effects.every((effect) => effect.kind !== 'execute')) this.#works.set(classified, work)
    return work
  }

  /** What EXECUTE of this name does: as it was judged when it was prepared, and as it would be judged now. */
  #body(name: string, catalogue: TargetCatalogue | undefined): StatementShape | undefined {
    const prepared = this.#prepared.get(name)
    if (prepared?.body === undefined) return undefined
    const again = this.#classifier.classify(prepared.text, catalogue, this.#state.searchPath)
    if (again.kind !== 'statements') return undefined
    const made = again.statements
      .map((one) => one.effect)
      .findLast((one) => one.kind === 'prepare' && one.name === name)
    if (made?.kind !== 'prepare') return undefined
    const verbs = new Set<Verb>([...made.body.verbs, ...prepared.body.verbs])
    return verbs.size === made.body.verbs.length ? made.body : { ...made.body, verbs: [...verbs].sort() }
  }

  /** The policy in force; undefined when it cannot be had, or the resource is no more. */
  bench(): Bench | undefined {
    const snapshot = this.#app.policy()
    if (snapshot === undefined) return undefined
    if (this.#bench?.snapshot !== snapshot) {
      const principal = snapshot.people.get(this.#principal.id) ?? this.#principal
      const scope = snapshot.scope(principal, this.#resource, this.#database)
      this.#needs.clear()
      this.#bench = scope === undefined ? undefined : { snapshot, scope }
    }
    return this.#bench
  }

  /** Whether a rule that may match wants the planner's guess. */
  needsEstimate(work: Work, bench: Bench): boolean {
    return work.verbs.some((verb) => {
      const known = this.#needs.get(verb)
      if (known !== undefined) return known
      const needs = bench.scope.needsEstimate(verb)
      this.#needs.set(verb, needs)
      return needs
    })
  }

  /** The circumstances of a decision made now. */
  context(): Context {
    return { now: this.#app.now(), sourceAddress: this.#sourceAddress, sessionStatements: this.ran }
  }

  /** Undefined for an empty text, which does nothing. */
  decide(actions: readonly Action[], bench: Bench): Decision | undefined {
    return decideActions(actions, bench.scope, this.context())
  }
}
