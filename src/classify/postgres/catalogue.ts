import { judgeCall } from './functions.ts'
import { createParser, isTree, type ParsedText } from './parser.ts'
import type { RelationFacts, TargetCatalogue } from './shape.ts'
import { shapeStatement } from './statements.ts'
import { list, mentions, names } from './walk.ts'

/**
 * What a target has of its own, as a connection with an empty search_path reads it: every definition then names what
 * is outside pg_catalog with its schema. Object ids are numbers below 2^32.
 */
export interface CatalogueRows {
  /** Distinct for each target and database. */
  readonly target: string
  /** The role that reads it, and that sessions sign in as. */
  readonly user: string
  /** The search_path that the role or the database sets, if any. */
  readonly searchPath?: string
  /** server_encoding. */
  readonly encoding: string
  /** A short text that changes whenever any of the rest may have. */
  readonly fingerprint: string
  readonly functions: readonly FunctionRow[]
  readonly operators: readonly { readonly schema: string; readonly name: string; readonly trusted: boolean }[]
  /** Casts by a function that is not a known extension's; and types with an operator class of the target's own, as a cast to themselves. */
  readonly casts: readonly { readonly source: number; readonly target: number }[]
  readonly types: readonly TypeRow[]
  readonly relations: readonly RelationRow[]
}

export interface FunctionRow {
  readonly schema: string
  readonly name: string
  /** Of a known extension, written in C, and as harmless by its declaration as a built-in one. */
  readonly trusted: boolean
  /** The body of a known extension's SQL function: trusted when that only computes. */
  readonly body: string | null
  /** It can be called with one argument. */
  readonly one: boolean
  /** That argument may be a row. */
  readonly row: boolean
}

export interface TypeRow {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** pg_type.typtype. */
  readonly kind: string
  /** A known extension's. */
  readonly trusted: boolean
  /** Element, base, subtype and attribute types. */
  readonly parts: readonly number[]
  /** Expressions of a domain's checks. */
  readonly checks: readonly string[]
  /** Its checks, or a range's canonical or difference function, are functions or operators of the target's own. */
  readonly depends: boolean
}

export interface RelationRow {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** pg_class.relkind. */
  readonly kind: string
  readonly rowType: number
  readonly columns: readonly number[]
  readonly view: string | null
  readonly policies: readonly string[]
  /** Its query or its policies use functions or operators of the target's own. */
  readonly depends: boolean
  /** So do its defaults, rules, indexes, checks or statistics: what planning a change of it may run. */
  readonly planDepends: boolean
  /** Index, check and statistics expressions that do: planning a read simplifies them. */
  readonly simplified: readonly string[]
  /** Triggers or rules of the target's own run when it is changed. */
  readonly changeRuns: boolean
  /** Tables whose foreign keys change them together with it. */
  readonly cascades: readonly number[]
  readonly children: readonly number[]
}

const KINDS: Readonly<Record<string, RelationFacts['kind']>> = {
  r: 'table',
  v: 'view',
  m: 'materialized_view',
  f: 'foreign_table',
  S: 'sequence',
  p: 'partitioned_table',
}

/** Loads a parser for definitions and returns the builder. */
export async function createCatalogueBuilder(): Promise<(rows: CatalogueRows) => TargetCatalogue> {
  const parser = await createParser()
  const parsed = new Map<string, ParsedText>()
  const parse = (text: string): ParsedText => {
    const known = parsed.get(text)
    if (known !== undefined) return known
    const fresh = parser.parse(text)
    if (fresh.kind !== 'failed') parsed.set(text, fresh)
    return fresh
  }
  return (rows) => {
    parsed.clear()
    return build(rows, parse)
  }
}

function build(rows: CatalogueRows, parse: (text: string) => ParsedText): TargetCatalogue {
  const functions = new Set<string>()
  const fieldFunctions = new Set<string>()
  const rowFunctions = new Set<string>()
  const trustedFunctions = new Set<string>()
  const operators = new Set<string>()
  const otherTypes = new Set<string>()
  const harmlessTypes = new Set<string>()
  const otherTypeOids = new Set<number>()
  const relations = new Map<string, RelationFacts>()
  const schemasOf = new Map<string, string[]>()
  const catalogue: TargetCatalogue = {
    version: `${rows.target} ${rows.fingerprint}`,
    functions,
    operators,
    relations,
    harmlessTypes,
    otherTypes,
    otherTypeOids,
    userCasts: rows.casts.some((cast) => cast.source < OWN && cast.target < OWN),
    trustedFunctions,
    fieldFunctions,
    rowFunctions,
    schemasOf,
    user: rows.user,
    ...(rows.encoding === 'UTF8' ? {} : { encoding: rows.encoding }),
    ...(rows.searchPath === undefined ? {} : { searchPath: rows.searchPath }),
  }

  // relations.ts keeps an index for each catalogue object: a new object for each state.
  let soFar: TargetCatalogue = { ...catalogue }
  /** Whether a definition only reads, and what it reads; judged against what is known so far. */
  const reads = (
    definition: string,
  ): { readonly harmless: boolean; readonly tables: readonly string[]; readonly because?: string } => {
    const text = parse(definition)
    if (text.kind !== 'tree' || text.statements.length !== 1)
      return { harmless: false, tables: [], because: 'a definition could not be read' }
    const { shape } = shapeStatement(text.statements[0]?.stmt ?? {}, { catalogue: soFar, searchPath: ['pg_catalog'] })
    const harmless = shape.verbs.every((verb) => verb === 'read')
    return { harmless, tables: shape.facts.tables, ...(shape.because === undefined ? {} : { because: shape.because }) }
  }

  for (const one of rows.operators) {
    if (one.trusted) continue
    operators.add(one.name)
    if (one.schema === 'pg_catalog') operators.add(`pg_catalog.${one.name}`)
  }
  const unsure: FunctionRow[] = []
  for (const one of rows.functions) {
    if (one.trusted) trustedFunctions.add(one.name.toLowerCase())
    else if (one.body === null) addFunction(one)
    else unsure.push(one)
  }
  function addFunction(one: FunctionRow): void {
    const name = one.name.toLowerCase()
    functions.add(name)
    if (one.schema === 'pg_catalog') functions.add(`pg_catalog.${name}`)
    if (one.one) fieldFunctions.add(name)
    if (one.row) rowFunctions.add(name)
  }

  const bad = new Set<number>()
  const base = new Set<number>()
  for (const one of rows.types) {
    const harmless =
      one.trusted ||
      (!one.depends && one.kind !== 'b' && one.checks.every((check) => reads(`SELECT ${check}`).harmless))
    if (harmless) continue
    // Arrays (kind b with an element) are as good as their elements, below. A base type is somebody's C code: naming
    // it is not known to be harmless, reading a column of it is its output function and nothing else.
    if (one.kind !== 'b') bad.add(one.oid)
    else if (one.parts.length === 0) base.add(one.oid)
  }
  const cast = new Set<number>()
  for (const one of rows.casts) for (const type of [one.source, one.target]) if (type >= OWN) cast.add(type)
  settle(() => {
    let changed = false
    for (const one of rows.types) {
      for (const set of [bad, cast, base]) {
        if (set.has(one.oid) || !one.parts.some((part) => set.has(part))) continue
        set.add(one.oid)
        changed = true
      }
    }
    return changed
  })
  for (const one of rows.types) {
    const name = one.name.toLowerCase()
    if (!bad.has(one.oid) && !cast.has(one.oid) && !base.has(one.oid)) harmlessTypes.add(name)
    else {
      otherTypeOids.add(one.oid)
      otherTypes.add(name)
      if (one.schema === 'pg_catalog') otherTypes.add(`pg_catalog.${name}`)
    }
  }
  for (const name of otherTypes) harmlessTypes.delete(name)

  // A SQL function of a known extension is trusted when its body only computes: all functions of that name, and what they call before them.
  const pending = new Map<string, FunctionRow[]>()
  for (const one of unsure) {
    const name = one.name.toLowerCase()
    pending.set(name, [...(pending.get(name) ?? []), one])
  }
  settle(() => {
    let changed = false
    for (const [name, all] of pending) {
      if (functions.has(name) || !all.every(computes)) continue
      trustedFunctions.add(name)
      pending.delete(name)
      changed = true
    }
    return changed
  })
  for (const all of pending.values()) all.forEach(addFunction)
  for (const name of functions) trustedFunctions.delete(name)
  // What a table's rows are read through would not be among the tables of whoever calls it.
  function computes(one: FunctionRow): boolean {
    const { harmless, tables } = reads(one.body?.replace(/^\s*RETURN\s/i, 'SELECT ') ?? '')
    return harmless && tables.length === 0
  }

  for (const one of rows.relations) schemasOf.set(one.name, [...(schemasOf.get(one.name) ?? []), one.schema])

  // The greatest solution: everything starts harmless, and what reads something that is not stops being so.
  const facts = new Map<number, RelationFacts>()
  const judge = (one: RelationRow): RelationFacts => {
    const definitions = [
      ...(one.view === null ? [] : [one.view]),
      ...one.policies.map((policy) => `SELECT 1 WHERE ${policy}`),
    ].map(reads)
    const children = one.children.map((oid) => facts.get(oid))
    const because =
      one.kind === 'f'
        ? `${one.schema}.${one.name} is a foreign table`
        : one.depends
          ? `${one.schema}.${one.name} is read through functions or operators of the target's own`
          : one.columns.some((type) => cast.has(type) || bad.has(type)) || cast.has(one.rowType)
            ? `${one.schema}.${one.name} has a column whose type has checks, casts or operators of the target's own`
            : one.simplified.some((text) => runsInPlanning(text, parse, catalogue))
              ? `planning a read of ${one.schema}.${one.name} runs a function of the target's own`
              : (definitions.find((definition) => !definition.harmless)?.because ??
                children.find((child) => child?.readIsHarmless === false)?.because)
    const readIsHarmless = because === undefined && definitions.every((definition) => definition.harmless)
    const reached = definitions
      .flatMap((definition) => definition.tables)
      .filter((name) => name !== `${one.schema}.${one.name}`)
    return {
      kind: KINDS[one.kind] ?? 'other',
      readIsHarmless,
      planIsHarmless: readIsHarmless && !one.planDepends && children.every((child) => child?.planIsHarmless !== false),
      ...(one.view === null || reached.length === 0 ? {} : { reads: [...new Set(reached)].sort() }),
      ...(because === undefined ? {} : { because }),
      ...(`${one.schema}${one.name}`.includes('.') ? { schema: one.schema, name: one.name } : {}),
    }
  }
  const keep = (one: RelationRow, fact: RelationFacts): void => {
    facts.set(one.oid, fact)
    // A plain table of which there is nothing to say is not worth a place.
    if (fact.kind === 'table' && fact.readIsHarmless && fact.planIsHarmless === true)
      relations.delete(`${one.schema}.${one.name}`)
    else relations.set(`${one.schema}.${one.name}`, fact)
  }
  for (const one of rows.relations)
    facts.set(one.oid, { kind: KINDS[one.kind] ?? 'other', readIsHarmless: true, planIsHarmless: true })
  const depends = (one: RelationRow): boolean => one.view !== null || one.policies.length > 0 || one.children.length > 0
  for (const one of rows.relations) if (!depends(one)) keep(one, judge(one))
  const dependent = rows.relations.filter(depends)
  settle(() => {
    let changed = false
    soFar = { ...catalogue }
    for (const one of dependent) {
      const before = facts.get(one.oid)
      const after = judge(one)
      if (
        before?.readIsHarmless !== after.readIsHarmless ||
        before.planIsHarmless !== after.planIsHarmless ||
        (before.reads?.length ?? 0) !== (after.reads?.length ?? 0)
      )
        changed = true
      keep(one, after)
    }
    return changed
  })

  // What a change of it changes, too: children, what foreign keys cascade to, and what is beneath a view.
  const oids = new Map<string, number[]>()
  for (const { schema, name, oid } of rows.relations)
    oids.set(`${schema}.${name}`, [...(oids.get(`${schema}.${name}`) ?? []), oid])
  const runs = new Set<number>()
  for (const one of rows.relations)
    if (one.changeRuns || facts.get(one.oid)?.planIsHarmless === false) runs.add(one.oid)
  settle(() => {
    const before = runs.size
    for (const one of rows.relations) {
      const beneath = (facts.get(one.oid)?.reads ?? []).flatMap((name) => oids.get(name) ?? [])
      if ([...one.children, ...one.cascades, ...beneath].some((oid) => runs.has(oid))) runs.add(one.oid)
    }
    return runs.size > before
  })
  for (const one of rows.relations) {
    const fact = facts.get(one.oid)
    if (fact !== undefined && runs.has(one.oid))
      relations.set(`${one.schema}.${one.name}`, { ...fact, changeRuns: true })
  }
  return { ...catalogue }
}

/** Object ids from here on were made after initdb. */
const OWN = 16384

/** Repeat until nothing changes. Every step only adds, so it ends. */
function settle(step: () => boolean): void {
  for (let round = 0; round < 1000 && step(); round++);
}

/**
 * Whether planning may run something of an expression that is not known to be harmless: a function on nothing but
 * constants, or any operator of the target's own, by which the planner compares the constants of a query with those
 * of a check or of a partial index.
 */
function runsInPlanning(expression: string, parse: (text: string) => ParsedText, catalogue: TargetCatalogue): boolean {
  const text = parse(`SELECT ${expression}`)
  if (text.kind !== 'tree') return true
  const look = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.some(look)
    if (!isTree(value)) return false
    for (const field in value) {
      const inner = value[field]
      if (field === 'FuncCall' && isTree(inner)) {
        const args = list(inner['args'])
        if (judgeCall(names(inner['funcname']), args.length, catalogue).kind === 'other' && !mentions(args, COLUMNS))
          return true
      }
      if (field === 'A_Expr' && isTree(inner) && names(inner['name']).length > 1) return true
      if (look(inner)) return true
    }
    return false
  }
  return text.statements.some(({ stmt }) => look(stmt))
}
const COLUMNS: ReadonlySet<string> = new Set(['ColumnRef'])
