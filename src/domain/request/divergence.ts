import type { PrincipalId } from '../ids.ts'
import type { AccessRequest, OpenRequirement } from './request.ts'
import type { Estimate } from '../action.ts'

/** Rows of one object that a run touched, as the target counted them: cascades, triggers and rewritten statements too. */
export interface Touched {
  /** `schema.name` */
  readonly object: string
  /** The tables that it is a partition or a child of, nearest first. */
  readonly within: readonly string[]
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}
export const rowsTouched = (touched: readonly Touched[]): number =>
  touched.reduce((sum, { inserted, updated, deleted }) => sum + inserted + updated + deleted, 0)

/** What came of the one run of an approved request. */
export interface Done {
  readonly outcome: 'succeeded' | 'failed' | 'unknown'
  /** As the target reported them to the client. */
  readonly rows?: number
  readonly sqlstate?: string
  readonly durationMicros?: number
  /** By object; undefined where it could not be counted. Of a run that was rolled back: what it would have touched. */
  readonly touched?: readonly Touched[]
  /** It would have touched more than was agreed, and was rolled back. */
  readonly overCap?: true
  /** It failed, and part of it may have been done: its text ends transactions of its own. */
  readonly partly?: true
}

/** How what was done differs from what was approved. */
export type Divergence =
  | { readonly kind: 'more_rows'; readonly touched: number; readonly estimated: number }
  | { readonly kind: 'other_objects'; readonly objects: readonly string[] }
  | { readonly kind: 'over_cap'; readonly touched: number; readonly agreed: number }
  | { readonly kind: 'in_part' }
  | { readonly kind: 'unknown' }

/** What was approved of a statement, as far as it can be compared. */
export interface Approved {
  readonly estimate?: Estimate
  /** Tables that were named to the approver, by the statement or by the estimate's cascades. */
  readonly objects: readonly string[]
  readonly rows?: number
}

/** More than this many times the estimate, and at least so many rows above it, differ from it. */
const TIMES = 2
const AT_LEAST = 10

/** Where what was done differs from what was approved; empty when it does not. */
export function divergences(approved: Approved, done: Done): readonly Divergence[] {
  const found: Divergence[] = []
  if (done.outcome === 'unknown') found.push({ kind: 'unknown' })
  if (done.partly === true) found.push({ kind: 'in_part' })
  const { touched, overCap } = done
  if (touched === undefined) return found
  const rows = rowsTouched(touched)
  if (overCap === true) found.push({ kind: 'over_cap', touched: rows, agreed: approved.rows ?? 0 })
  // A run that failed has left nothing behind to compare.
  if (done.outcome === 'failed') return found
  const { estimate } = approved
  if (estimate !== undefined && rows > TIMES * estimate.rows && rows - estimate.rows >= AT_LEAST)
    found.push({ kind: 'more_rows', touched: rows, estimated: estimate.rows })
  const known = new Set(approved.objects)
  const other = touched.filter(
    (one) => !one.object.startsWith('pg_temp') && ![one.object, ...one.within].some((name) => known.has(name)),
  )
  if (other.length > 0) found.push({ kind: 'other_objects', objects: other.map((one) => one.object).toSorted() })
  return found
}

/** What was approved with a request, for comparing. */
export function approvedOf(request: AccessRequest, rows: number | undefined): Approved {
  const actions = request.subject.kind === 'statement' ? request.subject.actions : []
  const estimate = actions.find((action) => action.facts.estimate !== undefined)?.facts.estimate
  const cascades = estimate?.cascades?.map((one) => one.table) ?? []
  return {
    objects: [...new Set([...actions.flatMap((action) => action.facts.sql?.tables ?? []), ...cascades])],
    ...(estimate === undefined ? {} : { estimate }),
    ...(rows === undefined ? {} : { rows }),
  }
}

/** One sentence a divergence. */
export function divergenceWords(one: Divergence): string {
  const n = (rows: number): string =>
    `${Math.round(rows).toLocaleString('en-US')} ${Math.round(rows) === 1 ? 'row' : 'rows'}`
  switch (one.kind) {
    case 'more_rows':
      return `it touched ${n(one.touched)}; the estimate was ${n(one.estimated)}`
    case 'other_objects':
      return `it touched what was not in the approved action: ${one.objects.join(', ')}`
    case 'over_cap':
      return `it would have touched ${n(one.touched)}; ${Math.round(one.agreed).toLocaleString('en-US')} were agreed; rolled back`
    case 'in_part':
      return 'it failed, and part of it may have been done'
    case 'unknown':
      return 'nobody knows whether it was done'
    default:
      return one satisfies never
  }
}

/** A look afterwards, owed by those who agreed. */
export interface ReviewAfterwards {
  readonly why: readonly Divergence[]
  /** Who must look. */
  readonly asked: readonly PrincipalId[]
  readonly dueAt: number
  readonly acknowledged?: { readonly by: PrincipalId; readonly words: string; readonly at: number }
}

/** How long they have, in ms. */
export const LOOK_WITHIN = 86_400_000

/**
 * Who must look afterwards: those who approved; where all of them are gone, everybody who could have.
 * @param gone whoever may not answer any more (disabled).
 */
export function lookers(
  request: Pick<AccessRequest, 'requester' | 'reviews'> & {
    readonly requirements: readonly Pick<OpenRequirement, 'eligible'>[]
  },
  gone: (id: PrincipalId) => boolean,
): readonly PrincipalId[] {
  const may = (id: PrincipalId): boolean => id !== request.requester && !gone(id)
  const approved = request.reviews.filter((one) => one.verdict === 'approve').map((one) => one.by)
  const [first, ...rest] = approved.filter(may)
  if (first !== undefined) return [...new Set([first, ...rest])]
  return [...new Set(request.requirements.flatMap((one) => one.eligible).filter(may))]
}
