import type { SessionId } from '../domain/ids.ts'
import type { StatementEntry } from '../domain/session/session.ts'
import { keyOf } from './requests-row.ts'

/** A batch as PostgreSQL takes it cheaply: what its lines have in common once, and one number after another. */
export interface StatementBatch {
  /** JSON: a list of texts with their verbs, rules and the rest; a line names one by its place. */
  readonly common: string
  /** Array literals, one element a line. */
  readonly session: string
  readonly number: string
  readonly at: string
  /** In `common`. */
  readonly place: string
  readonly rows: string
  readonly micros: string
}

/** A session runs the same few statements again and again. What a target said of itself is not trusted to be what it should. */
export function packStatements(entries: readonly StatementEntry[]): StatementBatch {
  const places = new Map<string, { readonly entry: StatementEntry; readonly place: number }[]>()
  const sessions = new Map<SessionId, string>()
  const common: unknown[] = []
  let [session, number, at, of, rows, micros] = ['', '', '', '', '', '']
  for (const entry of entries) {
    let alike = places.get(entry.text)
    if (alike === undefined) places.set(entry.text, (alike = []))
    let found = alike.find((one) => isAlike(one.entry, entry))
    if (found === undefined) {
      found = { entry, place: common.length }
      alike.push(found)
      common.push(commonOf(entry, found.place))
    }
    let key = sessions.get(entry.session)
    if (key === undefined) sessions.set(entry.session, (key = String(keyOf(entry.session, 'S') ?? 'NULL')))
    session += `,${key}`
    number += `,${entry.number}`
    at += `,${entry.at}`
    of += `,${found.place}`
    rows += `,${entry.rows !== undefined && Number.isSafeInteger(entry.rows) ? entry.rows : 'NULL'}`
    micros += `,${Number.isFinite(entry.durationMicros) ? Math.round(entry.durationMicros) : 0}`
  }
  const literal = (elements: string): string => `{${elements.slice(1)}}`
  return {
    common: JSON.stringify(common),
    session: literal(session),
    number: literal(number),
    at: literal(at),
    place: literal(of),
    rows: literal(rows),
    micros: literal(micros),
  }
}

const commonOf = (e: StatementEntry, place: number): object => ({
  place,
  verbs: e.verbs,
  decision: e.decision,
  rules: e.rules,
  request: e.request ?? null,
  text: storable(e.text),
  objects: e.objects.map(storable),
  outcome: e.outcome,
  sqlstate: e.sqlstate === undefined ? null : storable(e.sqlstate),
})

const isAlike = (a: StatementEntry, b: StatementEntry): boolean =>
  a.outcome === b.outcome &&
  a.decision === b.decision &&
  a.sqlstate === b.sqlstate &&
  a.request === b.request &&
  isSame(a.rules, b.rules) &&
  isSame(a.verbs, b.verbs) &&
  isSame(a.objects, b.objects)

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((one, i) => one === b[i]))

/** A NUL is the one character that PostgreSQL's text cannot hold, and a lone surrogate is none. */
const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD')
