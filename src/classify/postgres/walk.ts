import type { Verb } from '../../domain/verb.ts'
import { judgeCall, judgeField, type Judged } from './functions.ts'
import { isGuarded } from './guarded.ts'
import { isTree, type Tree } from './parser.ts'
import { doubtOf, isDoubtful, resolveRelation } from './relations.ts'
import { isHarmlessSetting } from './settings.ts'
import type { SessionEffect, TargetCatalogue } from './shape.ts'
import { QUERY_NODES, treeSchema } from './tree-schema.ts'

/** What the names of a statement are judged against. */
export interface Context {
  readonly catalogue: TargetCatalogue | undefined
  readonly searchPath: readonly string[]
}

/** Everything found in one statement so far. */
export interface Found {
  /** What its statement nodes do. */
  readonly verbs: Set<Verb>
  /** What the functions, relations and types in it may do when they run, planning included. */
  readonly callVerbs: Set<Verb>
  readonly tags: Set<string>
  readonly tables: Set<string>
  readonly columns: Set<string>
  readonly functions: Set<string>
  /** Names that stand behind a dot: columns, fields, or functions of what stands before it. */
  readonly fields: Set<string>
  /** What relations are called here, by themselves or by an alias. */
  readonly aliases: Set<string>
  /** An alias gives columns other names. */
  renames: boolean
  /** Relations read by name of which some columns are guarded. */
  readonly guarded: Set<string>
  hasWhere: boolean
  because: string | undefined
  unknown: string | undefined
  planIsHarmless: boolean
  /** A literal in it decides what it is: never share its shape with a text that differs in a literal. */
  literalsMatter: boolean
  readonly effects: SessionEffect[]
}

export const nothingFound = (): Found => ({
  verbs: new Set(),
  callVerbs: new Set(),
  tags: new Set(),
  tables: new Set(),
  columns: new Set(),
  functions: new Set(),
  fields: new Set(),
  aliases: new Set(),
  renames: false,
  guarded: new Set(),
  hasWhere: true,
  because: undefined,
  unknown: undefined,
  planIsHarmless: true,
  literalsMatter: false,
  effects: [],
})

/** Names of WITH queries that may be meant by an unqualified name. */
interface Scope {
  readonly names: ReadonlySet<string>
  readonly outer: Scope | undefined
}
const isWithQuery = (name: string, scope: Scope | undefined): boolean => {
  for (let at = scope; at !== undefined; at = at.outer) if (at.names.has(name)) return true
  return false
}

/** The items of a List field; none when it is absent. */
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
/** A node's type and body. */
export function open(node: unknown): { readonly type: string; readonly body: Tree } | undefined {
  if (!isTree(node)) return undefined
  const [type] = Object.keys(node)
  const body = type === undefined ? undefined : node[type]
  return type !== undefined && isTree(body) ? { type, body } : undefined
}
export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
/** The strings of a list of String nodes: a qualified name. */
export const names = (value: unknown): string[] =>
  list(value).flatMap((node) => {
    const found = open(node)
    return found?.type === 'String' ? [text(found.body['sval']) ?? ''] : []
  })
/** The value of a literal: `undefined` for anything that is not one. */
export function literal(node: unknown): string | boolean | undefined {
  const found = open(node)
  if (found?.type !== 'A_Const') return undefined
  const { sval, ival, fval, boolval } = found.body
  if (isTree(sval)) return text(sval['sval']) ?? ''
  if (isTree(ival)) return typeof ival['ival'] === 'number' ? String(ival['ival']) : '0'
  if (isTree(fval)) return text(fval['fval'])
  if (isTree(boolval)) return boolval['boolval'] === true
  return undefined
}

/** Grammar that a server older than this parser may read as a call of a function of that name. */
const SPELT: Readonly<Record<string, readonly string[]>> = {
  JsonFuncExpr: ['json_exists', 'json_query', 'json_value'],
  JsonParseExpr: ['json'],
  JsonScalarExpr: ['json_scalar'],
  JsonSerializeExpr: ['json_serialize'],
  JsonObjectConstructor: ['json_object'],
  JsonArrayConstructor: ['json_array'],
  JsonArrayQueryConstructor: ['json_array'],
  JsonObjectAgg: ['json_objectagg'],
  JsonArrayAgg: ['json_arrayagg'],
  JsonTable: ['json_table'],
  MergeSupportFunc: ['merge_action'],
}
/** What this parser puts into pg_catalog by its own grammar, and an older server looks for along the search path. */
const PINNED_SINCE: ReadonlySet<string> = new Set(['json_object', 'json'])
/** The name as a server of any version may look for it. */
const asWritten = (parts: readonly string[]): readonly string[] =>
  parts.length === 2 && parts[0] === 'pg_catalog' && PINNED_SINCE.has(parts[1] ?? '') ? parts.slice(1) : parts

/** The operators behind the spellings that do not name one. */
const OPERATORS_OF: Readonly<Record<string, readonly string[]>> = {
  AEXPR_BETWEEN: ['>=', '<='],
  AEXPR_NOT_BETWEEN: ['<', '>'],
  AEXPR_BETWEEN_SYM: ['>=', '<='],
  AEXPR_NOT_BETWEEN_SYM: ['<', '>'],
}

export interface Walk {
  /** A whole statement of the kinds a query may hold: SELECT, INSERT, UPDATE, DELETE, MERGE. */
  query(node: unknown): void
  /** Expressions outside a query: arguments of EXECUTE, the WHERE of COPY. */
  expressions(node: unknown): void
  /** The table that COPY reads or writes. */
  relation(range: unknown, use: 'read' | 'change'): void
}

/** Walk a query's whole tree, gathering into `found`. Nodes that are not on the list make it unknown. */
export function walkInto(found: Found, { catalogue, searchPath }: Context): Walk {
  const unknown = (why: string): void => {
    found.unknown ??= why
  }
  const apply = (judged: Judged): void => {
    if (judged.kind === 'harmless') return
    found.planIsHarmless = false
    if (judged.verb === 'unknown') return unknown(judged.because)
    found.callVerbs.add(judged.verb)
    found.because ??= judged.because
  }
  const exec = (because: string): void => apply({ kind: 'other', verb: 'exec', because })

  const fields = (type: string, body: Tree, scope: Scope | undefined, ...except: string[]): void => {
    const schema = treeSchema.get(type)
    if (schema === undefined) return unknown(`the parser found a ${type}, which is not known`)
    for (const field in body) {
      if (except.includes(field)) continue
      const kind = schema.get(field)
      const value = body[field]
      if (kind === undefined) unknown(`the parser found ${type}.${field}, which is not known`)
      else if (kind === '*') nodes(value, scope)
      else if (kind !== '') for (const one of Array.isArray(value) ? value : [value]) struct(kind, one, scope)
      else if (isTree(value)) unknown(`the parser found ${type}.${field} in a form that is not known`)
    }
  }
  const struct = (type: string, value: unknown, scope: Scope | undefined): void => {
    if (isTree(value)) visit(type, value, scope)
    else unknown(`the parser found a ${type} in a form that is not known`)
  }
  const nodes = (value: unknown, scope: Scope | undefined): void => {
    if (Array.isArray(value)) {
      for (const one of value) nodes(one, scope)
      return
    }
    if (!isTree(value)) return unknown('the parser found something that is not a node')
    for (const type in value) {
      const body = value[type]
      if (isTree(body)) visit(type, body, scope)
      else unknown(`the parser found a ${type} in a form that is not known`)
    }
  }

  /** WITH: each query sees those before it, or all of them when RECURSIVE. */
  const within = (clause: unknown, scope: Scope | undefined): Scope | undefined => {
    if (!isTree(clause)) return scope
    const queries = list(clause['ctes']).map(open)
    const nameOf = (cte: (typeof queries)[number]): string => text(cte?.body['ctename']) ?? ''
    const all: Scope = { names: new Set(queries.map(nameOf)), outer: scope }
    const seen = new Set<string>()
    for (const cte of queries) {
      if (cte?.type !== 'CommonTableExpr') {
        unknown('the parser found a WITH in a form that is not known')
        continue
      }
      fields('CommonTableExpr', cte.body, clause['recursive'] === true ? all : { names: new Set(seen), outer: scope })
      seen.add(nameOf(cte))
    }
    return all
  }

  const operator = (parts: readonly string[]): void => {
    const name = parts[parts.length - 1] ?? ''
    const schema = parts.length > 1 ? parts[parts.length - 2] : undefined
    if (catalogue === undefined) {
      if (schema !== 'pg_catalog') unknown(`the target's own operators are not known, and ${name} may be one`)
    } else if (
      schema === 'pg_catalog' ? catalogue.operators.has(`pg_catalog.${name}`) : catalogue.operators.has(name)
    ) {
      exec(`operator ${parts.join('.')} may be the target's own`)
    }
    cast()
  }
  const cast = (): void => {
    if (catalogue?.userCasts === true)
      exec('the target has casts or sort orders of its own for built-in types, which a query may use unseen')
  }
  const type = (body: Tree): void => {
    const parts = asWritten(names(body['names']))
    const name = parts[parts.length - 1] ?? ''
    const schema = parts.length > 1 ? parts[parts.length - 2] : undefined
    if (catalogue === undefined) {
      if (schema !== 'pg_catalog') unknown(`the target's own types are not known, and ${name} may be one`)
    } else if (isDoubtful(name, catalogue)) {
      exec(doubtOf(name))
    } else if (
      catalogue.otherTypes.has(schema === 'pg_catalog' ? `pg_catalog.${name.toLowerCase()}` : name.toLowerCase())
    ) {
      exec(`type ${parts.join('.')} of the target may run functions of its own`)
    }
  }
  const relation = (body: Tree, use: 'read' | 'change', scope?: Scope): void => {
    const name = text(body['relname']) ?? ''
    const schema = text(body['schemaname'])
    if (use === 'read' && schema === undefined && isWithQuery(name, scope) && !isDoubtful(name, catalogue)) return
    const resolved = resolveRelation(schema, name, catalogue, searchPath)
    found.tables.add(resolved.name)
    for (const read of resolved.reads) found.tables.add(read)
    apply(resolved.judged)
    if (use === 'change' && !resolved.planIsHarmless) found.planIsHarmless = false
    if (use === 'change' && resolved.changeRuns) found.effects.push({ kind: 'fired' })
    if (use === 'change' && resolved.system) {
      // A parameter (pg_settings), a role, a function: whatever stands in the row.
      apply({
        kind: 'other',
        verb: 'admin',
        because: `${resolved.name} is PostgreSQL's own: changing it is administration`,
      })
    }
    found.aliases.add(name)
    if (use === 'read' && isGuarded(resolved.name)) found.guarded.add(resolved.name)
  }

  const change = (kind: string, verb: Verb, tag: string, body: Tree, scope: Scope | undefined): Scope | undefined => {
    found.verbs.add(verb)
    found.tags.add(tag)
    cast()
    if (isTree(body['relation'])) relation(body['relation'], 'change')
    const inner = within(body['withClause'], scope)
    fields(kind, body, inner, 'withClause', 'relation')
    return inner
  }
  const where = (clause: unknown): void => {
    if (clause === undefined || !mentions(clause, COLUMNS)) found.hasWhere = false
  }
  const targets = (value: unknown): void => {
    for (const node of list(value)) {
      const name = text(open(node)?.body['name'])
      if (name !== undefined) found.columns.add(name)
    }
  }

  let pinnedSetting: string | undefined
  const setConfig = (args: readonly unknown[]): void => {
    found.literalsMatter = true
    found.planIsHarmless = false
    const [written, value, local] = args.map(literal)
    // SELECT set_config(name, ...) FROM pg_settings WHERE name = 'x', as pg_dump sends it.
    const name = written ?? (isColumn(args[0], 'name') ? pinnedSetting : undefined)
    if (typeof name !== 'string') {
      apply({ kind: 'other', verb: 'admin', because: 'set_config of a parameter whose name is not a literal' })
      found.effects.push({ kind: 'unseen' })
    } else if (!isHarmlessSetting(name)) {
      apply({
        kind: 'other',
        verb: 'admin',
        because: `set_config of ${name}, which is not on the list of harmless parameters`,
      })
      found.effects.push({ kind: 'unseen' })
    } else {
      found.verbs.add('connect')
      const isLocal = local === true || local === 'true' || local === 't' || local === 'on'
      found.effects.push(
        typeof local === 'boolean'
          ? { kind: 'set', name: name.toLowerCase(), ...(typeof value === 'string' ? { value } : {}), local: isLocal }
          : { kind: 'unseen' },
      )
    }
  }

  let root: unknown
  let functionInFrom: boolean | undefined
  const hasFunctionInFrom = (): boolean => (functionInFrom ??= mentions(root, FUNCTION_IN_FROM))

  const visit = (kind: string, body: Tree, scope: Scope | undefined): void => {
    if (!QUERY_NODES.has(kind)) return unknown(`${kind} is not known in a query`)
    for (const name of SPELT[kind] ?? []) {
      if (catalogue === undefined) unknown(`the target's own functions are not known, and ${name} may be one`)
      else if (catalogue.functions.has(name)) exec(`function ${name} of the target may hide the built-in one`)
    }
    switch (kind) {
      case 'SelectStmt': {
        found.tags.add('SELECT')
        if (list(body['fromClause']).length > 0) found.verbs.add('read')
        if (list(body['lockingClause']).length > 0) found.verbs.add('write')
        if (isTree(body['intoClause'])) {
          found.tags.add('SELECT INTO')
          found.verbs.add('schema').add('write')
          const rel = body['intoClause']['rel']
          if (isTree(rel)) {
            found.tables.add([text(rel['schemaname']), text(rel['relname'])].filter(Boolean).join('.'))
            if (rel['relpersistence'] === 't' || rel['schemaname'] === 'pg_temp')
              found.effects.push({ kind: 'temporary', name: text(rel['relname']) ?? '' })
          }
        }
        if (Object.keys(body).some((clause) => CONVERTS.has(clause)) || body['op'] !== 'SETOP_NONE') cast()
        const outer = pinnedSetting
        pinnedSetting = (catalogue?.schemasOf?.get('pg_settings') ?? []).length === 0 ? settingNamed(body) : undefined
        // Names in FOR UPDATE OF are aliases.
        fields(kind, body, within(body['withClause'], scope), 'withClause', 'intoClause', 'lockingClause')
        pinnedSetting = outer
        return
      }
      case 'InsertStmt': {
        targets(body['cols'])
        if (isTree(body['onConflictClause'])) {
          targets(body['onConflictClause']['targetList'])
          if (body['onConflictClause']['action'] === 'ONCONFLICT_UPDATE' && isTree(body['returningClause']))
            found.verbs.add('read')
        }
        change(kind, 'write', 'INSERT', body, scope)
        return
      }
      case 'UpdateStmt':
        targets(body['targetList'])
        where(body['whereClause'])
        if (list(body['fromClause']).length > 0 || isTree(body['returningClause'])) found.verbs.add('read')
        change(kind, 'write', 'UPDATE', body, scope)
        return
      case 'DeleteStmt':
        where(body['whereClause'])
        if (list(body['usingClause']).length > 0 || isTree(body['returningClause'])) found.verbs.add('read')
        change(kind, 'delete', 'DELETE', body, scope)
        return
      case 'MergeStmt':
        found.verbs.add('read')
        where(body['joinCondition'])
        operator(['='])
        change(kind, 'write', 'MERGE', body, scope)
        return
      case 'MergeWhenClause':
        if (body['commandType'] === 'CMD_DELETE') found.verbs.add('delete')
        targets(body['targetList'])
        return fields(kind, body, scope)
      case 'RangeVar':
        if (isTree(body['alias'])) visit('Alias', body['alias'], scope)
        return relation(body, 'read', scope)
      case 'RangeTableSample':
        cast()
        for (const method of [names(body['method'])]) {
          const known =
            (method.length === 1 || method[0] === 'pg_catalog') &&
            ['bernoulli', 'system'].includes(method[method.length - 1] ?? '')
          if (!known || catalogue === undefined || catalogue.functions.has(method[method.length - 1] ?? ''))
            exec(`the sampling method ${method.join('.')} is not known to be harmless`)
        }
        return fields(kind, body, scope, 'method')
      case 'FuncCall': {
        const parts = asWritten(names(body['funcname']))
        const args = list(body['args'])
        const count = args.length + (body['agg_within_group'] === true ? list(body['agg_order']).length : 0)
        const name = parts[parts.length - 1] ?? ''
        found.functions.add(parts.length > 1 && parts[parts.length - 2] !== 'pg_catalog' ? parts.join('.') : name)
        if (name.startsWith('dblink')) found.literalsMatter = true
        const isSetConfig =
          name === 'set_config' &&
          (parts[0] === 'pg_catalog' ||
            (parts.length === 1 && catalogue !== undefined && !catalogue.functions.has(name)))
        if (isSetConfig && args.length === 3 && catalogue?.functions.has('pg_catalog.set_config') !== true)
          setConfig(args)
        else apply(judgeCall(parts, count, catalogue))
        if (args.length > 0) cast()
        return fields(kind, body, scope, 'funcname')
      }
      case 'ColumnRef': {
        const parts = list(body['fields'])
        const last = open(parts[parts.length - 1])
        const name = last?.type === 'String' ? (text(last.body['sval']) ?? '') : '*'
        found.columns.add(name)
        if (parts.length > 1 && name !== '*') {
          found.fields.add(name)
          const row = judgeField(name, true, catalogue)
          // The alias of a function in FROM stands for a value, which any function of one argument may take.
          apply(row.kind === 'harmless' && hasFunctionInFrom() ? judgeField(name, false, catalogue) : row)
        }
        return
      }
      case 'A_Indirection':
        for (const step of list(body['indirection'])) {
          const one = open(step)
          if (one?.type !== 'String') continue
          const name = text(one.body['sval']) ?? ''
          found.fields.add(name)
          apply(judgeField(name, false, catalogue))
        }
        return fields(kind, body, scope)
      case 'A_Expr': {
        const spelling = text(body['kind']) ?? ''
        for (const name of OPERATORS_OF[spelling] ?? []) operator([name])
        if (OPERATORS_OF[spelling] === undefined) operator(names(body['name']))
        return fields(kind, body, scope, 'name')
      }
      case 'SubLink':
        if (list(body['operName']).length > 0) operator(names(body['operName']))
        else if (body['testexpr'] !== undefined) operator(['='])
        return fields(kind, body, scope, 'operName')
      case 'CaseExpr':
        if (body['arg'] !== undefined) operator(['='])
        cast()
        return fields(kind, body, scope)
      case 'JoinExpr':
        if (body['isNatural'] === true || list(body['usingClause']).length > 0) operator(['='])
        if (body['quals'] !== undefined) cast()
        return fields(kind, body, scope)
      case 'Alias':
        found.aliases.add(text(body['aliasname']) ?? '')
        if (list(body['colnames']).length > 0) found.renames = true
        return fields(kind, body, scope)
      case 'SortBy':
        cast()
        if (list(body['useOp']).length > 0) operator(names(body['useOp']))
        return fields(kind, body, scope, 'useOp')
      case 'TypeCast':
      case 'A_ArrayExpr':
      case 'A_Indices':
      case 'BoolExpr':
      case 'BooleanTest':
      case 'CoalesceExpr':
      case 'MinMaxExpr':
      case 'RangeTableFunc':
      case 'RowExpr':
      case 'WindowDef':
      case 'XmlExpr':
      case 'JsonFuncExpr':
      case 'JsonTable':
      case 'JsonObjectConstructor':
      case 'JsonArrayConstructor':
      case 'JsonObjectAgg':
      case 'JsonArrayAgg':
        cast()
        return fields(kind, body, scope)
      case 'TypeName':
        return type(body)
      default:
        return fields(kind, body, scope)
    }
  }

  return {
    query: (node) => {
      root = node
      const top = open(node)
      if (top?.type === 'SelectStmt' && !isTree(top.body['intoClause'])) found.verbs.add('read')
      nodes(node, undefined)
      // SELECT set_config(...) by itself steers the session and reads nothing.
      if (
        found.verbs.has('connect') &&
        top?.type === 'SelectStmt' &&
        list(top.body['fromClause']).length === 0 &&
        found.tables.size === 0
      )
        found.verbs.delete('read')
      // INSERT ... SELECT and the like.
      if (top?.type === 'InsertStmt' && found.tags.has('SELECT')) {
        const source = open(top.body['selectStmt'])
        if (source?.type === 'SelectStmt' && list(source.body['valuesLists']).length > 0 && !found.verbs.has('read'))
          found.tags.delete('SELECT')
      }
    },
    expressions: (node) => {
      root = node
      functionInFrom = undefined
      nodes(node, undefined)
    },
    relation: (range, use) =>
      isTree(range) ? relation(range, use) : unknown('the parser found a table in a form that is not known'),
  }
}

const isColumn = (node: unknown, name: string): boolean => {
  const found = open(node)
  const parts = names(found?.body['fields'])
  return found?.type === 'ColumnRef' && parts.length === 1 && parts[0] === name
}

/** The one name that `FROM pg_settings WHERE name = 'literal'` leaves, when a SELECT is exactly that. */
function settingNamed(select: Tree): string | undefined {
  const [from, ...others] = list(select['fromClause']).map(open)
  const where = open(select['whereClause'])
  if (
    others.length > 0 ||
    from?.type !== 'RangeVar' ||
    from.body['relname'] !== 'pg_settings' ||
    where?.type !== 'A_Expr' ||
    isTree(select['withClause'])
  )
    return undefined
  if (![undefined, 'pg_catalog'].includes(text(from.body['schemaname'])) || isTree(from.body['alias'])) return undefined
  const value = literal(where.body['rexpr'])
  const isEqual = where.body['kind'] === 'AEXPR_OP' && names(where.body['name']).join('.') === '='
  return isEqual && isColumn(where.body['lexpr'], 'name') && typeof value === 'string' ? value : undefined
}

/** Clauses of SELECT that convert, compare, sort or hash values although no name says so. */
const CONVERTS: ReadonlySet<string> = new Set([
  'distinctClause',
  'groupClause',
  'havingClause',
  'limitCount',
  'limitOffset',
  'sortClause',
  'valuesLists',
  'whereClause',
])
const FUNCTION_IN_FROM: ReadonlySet<string> = new Set(['RangeFunction'])
const COLUMNS: ReadonlySet<string> = new Set(['ColumnRef', 'CurrentOfExpr'])
/** Whether one of these nodes stands anywhere below. */
export function mentions(value: unknown, types: ReadonlySet<string>): boolean {
  if (Array.isArray(value)) return value.some((one) => mentions(one, types))
  if (!isTree(value)) return false
  for (const field in value) if (types.has(field) || mentions(value[field], types)) return true
  return false
}
