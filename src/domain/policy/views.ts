import type { Action, Context, Estimate, SqlFacts } from '../action.ts'
import type { TeamName } from '../ids.ts'
import type { Principal } from '../principal.ts'
import type { OwnerLayer, Profile } from '../profile/profile.ts'
import type { View } from './fields.ts'
import { localTime } from './local-time.ts'

/** Longer lists fail the expression that reads them. Where loops nest, or much is asked in one, shorter ones do. */
export const LONGEST_LIST = 1_000

/** A fact that cannot be had. Its message is one line for people and holds no payload. */
export class FactError extends Error {}

function bounded(list: readonly string[], what: string): readonly string[] {
  if (list.length > LONGEST_LIST) throw new FactError(`${what}: more than ${LONGEST_LIST}`)
  return list
}

export class PrincipalView implements View<'Principal'> {
  readonly id: string
  readonly kind: string
  readonly teams: readonly string[]
  readonly sponsor: string | undefined
  constructor(principal: Principal, teams: readonly TeamName[]) {
    this.id = principal.id
    this.kind = principal.kind
    this.teams = teams
    this.sponsor = principal.sponsor
  }
}

export class OwnerView implements View<'Owner'> {
  readonly layer: string
  readonly team: string
  readonly decides: readonly string[]
  constructor(owner: OwnerLayer) {
    this.layer = owner.layer
    this.team = owner.team
    this.decides = owner.decides
  }
}

const DAY = 86_400_000

export class AuditView implements View<'Audit'> {
  readonly ageDays: bigint
  readonly overdue: boolean
  constructor(age: number, every: number) {
    this.ageDays = BigInt(Math.floor(age / DAY))
    this.overdue = age > every
  }
}

export class ResourceView implements View<'Resource'> {
  readonly #profile: Profile
  readonly #now: number
  constructor(profile: Profile, now: number) {
    this.#profile = profile
    this.#now = now
  }
  get name(): string {
    return this.#profile.name
  }
  get type(): string {
    return this.#profile.type
  }
  get env(): string | undefined {
    return this.#profile.env
  }
  get classification(): string {
    return this.#profile.classification
  }
  get criticality(): string | undefined {
    return this.#profile.criticality
  }
  get purpose(): string | undefined {
    return this.#profile.purpose
  }
  get compliance(): readonly string[] {
    return this.#profile.compliance
  }
  get owners(): readonly OwnerView[] {
    return this.#profile.owners.map((owner) => new OwnerView(owner))
  }
  get labels(): Readonly<Record<string, string>> {
    return this.#profile.labels
  }
  get incomplete(): boolean {
    return this.#profile.incomplete
  }
  /** An audit in the future is nobody's audit: unknown, so that it cannot stay fresh for ever. */
  get audit(): AuditView | undefined {
    const audit = this.#profile.audit
    if (audit === undefined) return undefined
    const age = this.#now - Date.parse(audit.last)
    return age >= 0 ? new AuditView(age, audit.every) : undefined
  }
}

export class SqlView implements View<'Sql'> {
  readonly #facts: SqlFacts
  constructor(facts: SqlFacts) {
    this.#facts = facts
  }
  get statements(): readonly string[] {
    return bounded(this.#facts.statements, 'action.sql.statements')
  }
  get tables(): readonly string[] {
    return bounded(this.#facts.tables, 'action.sql.tables')
  }
  get columns(): readonly string[] {
    return bounded(this.#facts.columns, 'action.sql.columns')
  }
  get hasWhere(): boolean {
    return this.#facts.hasWhere
  }
  get functions(): readonly string[] {
    return bounded(this.#facts.functions, 'action.sql.functions')
  }
}

export class EstimateView implements View<'Estimate'> {
  readonly rows: bigint
  readonly cost: number
  constructor(estimate: Estimate) {
    this.rows = BigInt(Math.ceil(estimate.rows))
    this.cost = estimate.cost
  }
}

const usable = (estimate: Estimate): boolean =>
  Number.isFinite(estimate.rows) &&
  estimate.rows >= 0 &&
  Number.isFinite(estimate.cost) &&
  estimate.rows <= Number.MAX_SAFE_INTEGER

/** Opening a session sends no statement: that is known, not unknown. */
const NO_STATEMENT = new SqlView({ statements: [], tables: [], columns: [], hasWhere: true, functions: [] })

export class ActionView implements View<'Action'> {
  readonly verb: string
  readonly sql: SqlView | undefined
  readonly estimate: EstimateView | undefined
  constructor(action: Pick<Action, 'verb' | 'facts'>) {
    const { sql, estimate } = action.facts
    this.verb = action.verb
    this.sql = sql !== undefined ? new SqlView(sql) : action.verb === 'connect' ? NO_STATEMENT : undefined
    this.estimate = estimate !== undefined && usable(estimate) ? new EstimateView(estimate) : undefined
  }
}

export class ContextView implements View<'Context'> {
  readonly #context: Context
  readonly #timezone: string
  constructor(context: Context, timezone: string) {
    this.#context = context
    this.#timezone = timezone
  }
  get now(): Date {
    return new Date(this.#context.now)
  }
  get weekday(): string {
    return localTime(this.#context.now, this.#timezone).weekday
  }
  get hour(): bigint {
    return BigInt(localTime(this.#context.now, this.#timezone).hour)
  }
  get sourceAddress(): string {
    return this.#context.sourceAddress
  }
  get sessionStatements(): bigint {
    return BigInt(this.#context.sessionStatements)
  }
}

/** The variables of one evaluation. Not a type with an index signature: what it lacks must not compile. */
export interface Variables {
  readonly principal: PrincipalView
  readonly resource: ResourceView
  readonly action: ActionView
  readonly context: ContextView
}
