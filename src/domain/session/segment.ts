import type { SessionId } from '../ids.ts'
import { instant } from '../time.ts'
import type { Instant } from '../time.ts'
import type { StatementEntry } from './session.ts'

/**
 * A piece of one session's statement record, as it is kept: one text, never changed, whose SHA-256 stands for it.
 * JSON of what its lines have in common once (`alike`), and of the rest by column, one element a line: `number`, `of` (a
 * place in `alike`), `at` (milliseconds after `from`), `micros`, and `rows` (null where nobody counted).
 */
export interface Segment {
  readonly session: SessionId
  readonly first: number
  readonly last: number
  readonly count: number
  readonly body: string
}

type Common = Omit<StatementEntry, 'session' | 'number' | 'at' | 'rows' | 'durationMicros'>
interface Body {
  readonly v: 1
  readonly session: SessionId
  readonly from: Instant
  readonly alike: readonly Common[]
  readonly number: readonly number[]
  readonly of: readonly number[]
  readonly at: readonly number[]
  readonly micros: readonly number[]
  readonly rows: readonly (number | null)[]
}

/**
 * Takes the lines of one session one by one, and seals them. A session runs the same few statements again and again:
 * a line that is like one before costs five numbers, and keeps nothing of its own alive.
 */
export class SegmentWriter {
  readonly #session: SessionId
  readonly #alike: Common[] = []
  readonly #places = new Map<string, number[]>()
  readonly #number: number[] = []
  readonly #of: number[] = []
  readonly #at: number[] = []
  readonly #micros: number[] = []
  readonly #rows: (number | null)[] = []
  #from: Instant | undefined
  #characters = 0
  #last: { readonly common: Common; readonly place: number } | undefined

  constructor(session: SessionId) {
    this.#session = session
  }

  get count(): number {
    return this.#number.length
  }
  /** How long the body becomes, roughly. */
  get characters(): number {
    return this.#characters
  }

  add(line: StatementEntry): void {
    this.#from ??= line.at
    this.#number.push(line.number)
    this.#of.push(this.#placeOf(line))
    this.#at.push(line.at - this.#from)
    // What a target said of itself is not trusted to be what it should.
    this.#micros.push(Number.isFinite(line.durationMicros) ? Math.round(line.durationMicros) : 0)
    this.#rows.push(line.rows !== undefined && Number.isSafeInteger(line.rows) ? line.rows : null)
    this.#characters += 24
  }

  /** @throws when nothing was added. */
  seal(): Segment {
    if (this.#from === undefined) throw new RangeError('a segment has at least one line')
    const body: Body = {
      v: 1,
      session: this.#session,
      from: this.#from,
      alike: this.#alike,
      number: this.#number,
      of: this.#of,
      at: this.#at,
      micros: this.#micros,
      rows: this.#rows,
    }
    let [first, last] = [Number.POSITIVE_INFINITY, 0]
    for (const number of this.#number) [first, last] = [Math.min(first, number), Math.max(last, number)]
    return { session: this.#session, first, last, count: this.#number.length, body: JSON.stringify(body) }
  }

  #placeOf(line: StatementEntry): number {
    if (this.#last !== undefined && isAlike(this.#last.common, line)) return this.#last.place
    let places = this.#places.get(line.text)
    if (places === undefined) this.#places.set(line.text, (places = []))
    let place = places.find((one) => {
      const common = this.#alike[one]
      return common !== undefined && isAlike(common, line)
    })
    if (place === undefined) {
      place = this.#alike.length
      places.push(place)
      this.#alike.push(commonOf(line))
      this.#characters += 200 + line.text.length + line.objects.reduce((sum, one) => sum + one.length, 0)
    }
    const common = this.#alike[place]
    if (common !== undefined) this.#last = { common, place }
    return place
  }
}

/** The lines of a segment, in the order in which they were added. Throws for what `SegmentWriter` did not write. */
export function readSegment(text: string): readonly StatementEntry[] {
  const { session, from, alike, number, of, at, micros, rows } = JSON.parse(text) as Body
  return number.map((n, i): StatementEntry => {
    const common = alike[of[i] ?? -1]
    if (common === undefined) throw new RangeError(`line ${i} of a segment of ${session} is like no other`)
    const counted = rows[i]
    return {
      session,
      number: n,
      at: instant(from + (at[i] ?? 0)),
      ...common,
      ...(typeof counted === 'number' ? { rows: counted } : {}),
      durationMicros: micros[i] ?? 0,
    }
  })
}

const commonOf = ({ verbs, decision, rules, request, text, objects, outcome, sqlstate }: StatementEntry): Common => ({
  verbs,
  decision,
  rules,
  ...(request === undefined ? {} : { request }),
  text,
  objects,
  outcome,
  ...(sqlstate === undefined ? {} : { sqlstate }),
})

const isAlike = (a: Common, b: StatementEntry): boolean =>
  a.text === b.text &&
  a.outcome === b.outcome &&
  a.decision === b.decision &&
  a.sqlstate === b.sqlstate &&
  a.request === b.request &&
  isSame(a.rules, b.rules) &&
  isSame(a.verbs, b.verbs) &&
  isSame(a.objects, b.objects)

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((one, i) => one === b[i]))
