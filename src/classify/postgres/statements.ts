import { VERBS, type Verb } from '../../domain/verb.ts'
import { readsGuarded } from './guarded.ts'
import { isTree, type Tree } from './parser.ts'
import { doubtOf, isDoubtful, nameRelation, resolveRelation } from './relations.ts'
import { isHarmlessSetting } from './settings.ts'
import type { SessionEffect, StatementShape } from './shape.ts'
import { ADMIN_OBJECTS, objectWords, UTILITIES } from './utilities.ts'
import { list, literal, mentions, names, nothingFound, open, text, walkInto, type Context, type Found } from './walk.ts'

const QUERIES: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])

export interface Shaped {
  readonly shape: StatementShape
  /** Its shape may stand for every text that differs from it in plain literals only. */
  readonly shared: boolean
}

/** What one statement is. `node` is the parser's `stmt`. */
export function shapeStatement(node: Tree, context: Context): Shaped {
  const found = nothingFound()
  const more = statement(node, context, found)
  const type = open(node)?.type ?? ''
  const guarded = readsGuarded(found)
  if (guarded !== undefined) {
    found.verbs.add('admin')
    found.because ??= `it reads columns of ${guarded} that hold passwords, or values of other tables`
  }
  const verbs: Verb[] = found.unknown === undefined ? [...new Set([...found.verbs, ...found.callVerbs])] : ['unknown']
  if (verbs.length === 0) verbs.push('unknown')
  const known = verbs[0] !== 'unknown'
  if (found.callVerbs.has('exec') || found.callVerbs.has('admin') || found.verbs.has('exec'))
    found.effects.push({ kind: 'unseen' })
  const because = found.unknown ?? found.because
  const estimable =
    known &&
    QUERIES.has(type) &&
    context.catalogue !== undefined &&
    found.planIsHarmless &&
    found.callVerbs.size === 0 &&
    !found.verbs.has('schema') &&
    !found.verbs.has('connect')
  const shape: StatementShape = {
    verbs: verbs.sort((a, b) => VERBS.indexOf(a) - VERBS.indexOf(b)),
    facts: {
      statements: [...found.tags],
      tables: [...found.tables].sort(),
      columns: [...found.columns].sort(),
      hasWhere: found.hasWhere,
      functions: [...found.functions].sort(),
    },
    ...(because === undefined ? {} : { because }),
    estimable,
    effect: effectOf(found.effects),
    ...(more.copy === undefined ? {} : { copy: more.copy }),
  }
  return { shape, shared: QUERIES.has(type) && !found.literalsMatter && shape.effect.kind !== 'set' }
}

const together = (...some: Iterable<Verb>[]): Verb[] =>
  [...new Set(some.flatMap((verbs) => [...verbs]))].sort((a, b) => VERBS.indexOf(a) - VERBS.indexOf(b))

function effectOf(effects: readonly SessionEffect[]): SessionEffect {
  const [first, ...others] = effects
  if (first === undefined) return { kind: 'none' }
  return others.every(({ kind }) => kind === 'fired' && first.kind === 'fired')
    ? first
    : (effects.find((e) => e.kind === 'execute' || e.kind === 'prepare') ?? { kind: 'unseen' })
}

interface More {
  readonly copy?: 'in' | 'out'
}
const refuse = (found: Found, why: string): More => {
  found.unknown ??= why
  return {}
}

function statement(node: unknown, context: Context, found: Found): More {
  const top = open(node)
  if (top === undefined) return refuse(found, 'the parser found something that is not a statement')
  const { type, body } = top
  const walk = walkInto(found, context)
  switch (type) {
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      walk.query(node)
      return {}
    case 'ExplainStmt':
      return explain(body, context, found)
    case 'CopyStmt':
      return copy(body, context, found)
    case 'CreateTableAsStmt':
      found.tags.add(body['objtype'] === 'OBJECT_MATVIEW' ? 'CREATE MATERIALIZED VIEW' : 'CREATE TABLE AS')
      found.verbs.add('schema')
      if (body['objtype'] !== 'OBJECT_MATVIEW') found.verbs.add('write')
      if (isTree(body['into']) && isTree(body['into']['rel'])) created(body['into']['rel'], context, found)
      statement(body['query'], context, found)
      // INVARIANT: what EXECUTE stands for replaces the whole shape, and would leave out that a table is made.
      found.effects.splice(0, found.effects.length, ...found.effects.filter((effect) => effect.kind !== 'execute'))
      return {}
    case 'DeclareCursorStmt':
      found.tags.add('DECLARE CURSOR')
      statement(body['query'], context, found)
      // What its query does to the session it does when rows are fetched.
      if (found.effects.length > 0) found.effects.push({ kind: 'unseen' })
      return {}
    case 'PrepareStmt': {
      found.tags.add('PREPARE')
      if (isDoubtful(text(body['name']) ?? '', context.catalogue))
        return refuse(found, doubtOf(text(body['name']) ?? ''))
      if (!isTree(body['query'])) return refuse(found, 'the parser found a PREPARE in a form that is not known')
      const { shape } = shapeStatement(body['query'], context)
      if (shape.verbs.includes('unknown')) return refuse(found, shape.because ?? 'what is prepared is not known')
      // Analysing it already runs what types do with literals: an array's input checks its domain.
      for (const verb of shape.verbs) if (verb === 'exec' || verb === 'admin') found.callVerbs.add(verb)
      found.because ??= shape.because
      walk.expressions(list(body['argtypes']))
      found.verbs.add('connect')
      for (const table of shape.facts.tables) found.tables.add(table)
      // EXECUTE runs the checks of its parameters' types.
      const needs = found.callVerbs.size === 0 ? shape : { ...shape, verbs: together(shape.verbs, found.callVerbs) }
      found.effects.push({ kind: 'prepare', name: text(body['name']) ?? '', body: needs })
      return {}
    }
    case 'ExecuteStmt':
      found.tags.add('EXECUTE')
      if (isDoubtful(text(body['name']) ?? '', context.catalogue))
        return refuse(found, doubtOf(text(body['name']) ?? ''))
      walk.expressions(list(body['params']))
      if (found.callVerbs.size === 0) found.effects.push({ kind: 'execute', name: text(body['name']) ?? '' })
      return refuse(found, 'what it executes is known to the session only')
    case 'VariableSetStmt':
      return set(body, found)
    case 'TransactionStmt':
      return transaction(body, found)
    case 'LockStmt': {
      found.tags.add('LOCK TABLE')
      // ACCESS SHARE is what every SELECT takes.
      const reads = body['mode'] === 1
      found.verbs.add(reads ? 'read' : 'write')
      for (const range of list(body['relations'])) {
        const one = open(range)
        if (one?.type === 'RangeVar') found.tables.add(named(one.body, context))
      }
      return {}
    }
    default:
      return utility(type, body, context, found)
  }
}

const named = (range: Tree, { catalogue, searchPath }: Context): string =>
  nameRelation(text(range['schemaname']), text(range['relname']) ?? '', catalogue, searchPath)

function created(range: Tree, context: Context, found: Found): void {
  found.tables.add(named(range, context))
  if (range['relpersistence'] === 't' || range['schemaname'] === 'pg_temp')
    found.effects.push({ kind: 'temporary', name: text(range['relname']) ?? '' })
}

/** EXPLAIN plans, and planning runs functions; only ANALYZE runs the statement. */
function explain(body: Tree, context: Context, found: Found): More {
  const analyses = list(body['options']).some((option) => {
    const one = open(option)?.body
    if (text(one?.['defname'])?.toLowerCase() !== 'analyze') return false
    return one?.['arg'] === undefined || !['false', 'off', '0'].includes(defText(one['arg']))
  })
  found.tags.add('EXPLAIN')
  if (analyses) {
    statement(body['query'], context, found)
    if (found.verbs.size === 0) found.verbs.add('read')
    return {}
  }
  const inner = nothingFound()
  statement(body['query'], context, inner)
  found.verbs.add('read')
  for (const verb of inner.callVerbs) found.callVerbs.add(verb)
  if (!inner.planIsHarmless && inner.callVerbs.size === 0) found.callVerbs.add('exec')
  found.unknown = inner.unknown
  found.because =
    inner.because ??
    (inner.planIsHarmless ? undefined : 'planning it may run functions that are not known to be harmless')
  found.hasWhere = inner.hasWhere
  found.literalsMatter = true
  for (const field of ['tags', 'tables', 'columns', 'functions'] as const)
    for (const one of inner[field]) found[field].add(one)
  return {}
}

const plain = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

/** The word or number of an option's value, lower case. */
function defText(node: unknown): string {
  const found = open(node)
  if (found === undefined) return ''
  const { sval, ival, fval, boolval } = found.body
  if (found.type === 'Boolean') return String(boolval === true)
  if (found.type === 'Integer') return plain(ival ?? 0)
  return plain(sval ?? fval).toLowerCase()
}

function copy(body: Tree, context: Context, found: Found): More {
  found.tags.add('COPY')
  const walk = walkInto(found, context)
  const from = body['is_from'] === true
  const server = body['is_program'] === true || body['filename'] !== undefined
  found.verbs.add(from ? 'write' : 'export')
  if (server) {
    found.verbs.add('admin')
    found.because ??= body['is_program'] === true ? 'it runs a program on the server' : "it uses a file of the server's"
  }
  for (const column of names(body['attlist'])) found.columns.add(column)
  if (body['relation'] !== undefined) walk.relation(body['relation'], from ? 'change' : 'read')
  for (const column of names(body['attlist'])) found.fields.add(column)
  if (list(body['attlist']).length === 0) found.renames = true
  if (body['query'] !== undefined) statement(body['query'], context, found)
  if (body['whereClause'] !== undefined) walk.expressions(body['whereClause'])
  return server ? {} : { copy: from ? 'in' : 'out' }
}

/** As SHOW would print it: names quoted where they must be. */
const quoteName = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`)

function set(body: Tree, found: Found): More {
  const kind = text(body['kind'])
  const name = (text(body['name']) ?? '').toLowerCase()
  const local = body['is_local'] === true
  found.tags.add(kind === 'VAR_RESET' || kind === 'VAR_RESET_ALL' ? 'RESET' : 'SET')
  found.verbs.add('connect')
  if (kind === 'VAR_RESET_ALL') {
    found.effects.push({ kind: 'reset_all' })
    return {}
  }
  if (kind === 'VAR_SET_MULTI') {
    // SET TRANSACTION, SET SESSION CHARACTERISTICS, SET TRANSACTION SNAPSHOT: the grammar admits nothing else.
    // Session characteristics are the parameters default_transaction_*, which put no other meaning on anything.
    found.effects.push(
      name === 'session characteristics'
        ? { kind: 'set', name: 'default_transaction_isolation', local: false }
        : { kind: 'other_transaction' },
    )
    return {}
  }
  if (!isHarmlessSetting(name)) {
    found.verbs.delete('connect')
    found.verbs.add('admin')
    found.because ??= `${name} is not on the list of harmless parameters`
    found.effects.push({ kind: 'unseen' })
    return {}
  }
  const values = list(body['args']).map(literal)
  const value =
    kind !== 'VAR_SET_VALUE' || values.some((one) => typeof one !== 'string')
      ? undefined
      : name === 'search_path'
        ? values.map((one) => quoteName(String(one))).join(', ')
        : values.join(', ')
  found.effects.push({ kind: 'set', name, ...(value === undefined ? {} : { value }), local })
  return {}
}

function transaction(body: Tree, found: Found): More {
  const kind = text(body['kind']) ?? ''
  found.tags.add(kind.replace(/^TRANS_STMT_/, '').replaceAll('_', ' '))
  if (['TRANS_STMT_PREPARE', 'TRANS_STMT_COMMIT_PREPARED', 'TRANS_STMT_ROLLBACK_PREPARED'].includes(kind)) {
    found.verbs.add('admin')
    found.because ??= 'a prepared transaction outlives the session'
    found.effects.push({ kind: kind === 'TRANS_STMT_PREPARE' ? 'commit' : 'other_transaction' })
    return {}
  }
  found.verbs.add('connect')
  const name = text(body['savepoint_name']) ?? ''
  const effects: Readonly<Record<string, SessionEffect>> = {
    TRANS_STMT_BEGIN: { kind: 'begin' },
    TRANS_STMT_START: { kind: 'begin' },
    TRANS_STMT_COMMIT: { kind: 'commit' },
    TRANS_STMT_ROLLBACK: { kind: 'rollback' },
    TRANS_STMT_SAVEPOINT: { kind: 'savepoint', name },
    TRANS_STMT_RELEASE: { kind: 'release', name },
    TRANS_STMT_ROLLBACK_TO: { kind: 'rollback_to', name },
  }
  const effect = effects[kind]
  if (effect === undefined) return refuse(found, `${kind} is not known`)
  found.effects.push(effect)
  return {}
}

function utility(type: string, body: Tree, context: Context, found: Found): More {
  const known = UTILITIES.get(type)
  if (known === undefined) return refuse(found, `${type} is not known`)
  for (const verb of known.verbs) found.verbs.add(verb)
  found.tags.add(tagOf(type, known.tag, body))
  if (type === 'DropStmt' && ADMIN_OBJECTS.has(text(body['removeType']) ?? '')) replaceVerbs(found, 'admin')
  if (type === 'RenameStmt' && ADMIN_OBJECTS.has(text(body['renameType']) ?? '')) replaceVerbs(found, 'admin')
  if (type === 'TruncateStmt') {
    found.hasWhere = false
    if (truncateRuns(body, context)) found.effects.push({ kind: 'fired' })
  }
  if (type === 'DropStmt' && RELATIONS.has(text(body['removeType']) ?? ''))
    nameEach(list(body['objects']), context, found)
  if (type === 'CommentStmt' && RELATIONS.has(text(body['objtype']) ?? '')) nameEach([body['object']], context, found)
  if (type === 'DiscardStmt')
    found.effects.push(
      body['target'] === 'DISCARD_ALL'
        ? { kind: 'discard_all' }
        : body['target'] === 'DISCARD_TEMP'
          ? { kind: 'temporary' }
          : { kind: 'none' },
    )
  if (type === 'FetchStmt') found.effects.push({ kind: 'resumes', name: text(body['portalname']) ?? '' })
  if (type === 'ConstraintsSetStmt') found.effects.push({ kind: 'resumes' })
  if (type === 'DeallocateStmt')
    found.effects.push({ kind: 'deallocate', ...(body['isall'] === true ? {} : { name: text(body['name']) ?? '' }) })
  if (type === 'AlterTableStmt' && list(body['cmds']).some((cmd) => open(cmd)?.body['subtype'] === 'AT_ChangeOwner'))
    found.verbs.add('admin')
  if (type === 'CreateFunctionStmt' && !SAFE_LANGUAGES.has(languageOf(body))) {
    found.verbs.add('admin')
    found.because ??= `its language, ${languageOf(body)}, may do anything that the server may`
  }
  if (type === 'CreateFunctionStmt' && mentions(body['options'], new Set(['VariableSetStmt'])))
    found.because ??= 'it sets parameters while it runs'
  gather(body, context, found, known.defines === true)
  if (known.verbs.includes('schema') && touchesTemporary(body)) found.effects.push({ kind: 'temporary' })
  return {}
}

/** Languages whose functions can do no more than a statement of the same role. */
const SAFE_LANGUAGES: ReadonlySet<string> = new Set(['sql', 'plpgsql'])
/** As written, lower case; `sql` when it is left out, as for RETURN and BEGIN ATOMIC. */
function languageOf(body: Tree): string {
  const option = list(body['options'])
    .map((one) => open(one)?.body)
    .find((one) => one?.['defname'] === 'language')
  return option === undefined ? 'sql' : defText(option['arg'])
}

const RELATIONS: ReadonlySet<string> = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
  'OBJECT_FOREIGN_TABLE',
])
/** DROP and COMMENT name their objects as lists of strings. */
function nameEach(objects: readonly unknown[], context: Context, found: Found): void {
  for (const object of objects) {
    const parts = names(open(object)?.body['items'])
    const name = parts[parts.length - 1]
    if (name !== undefined) found.tables.add(named({ relname: name, schemaname: parts[parts.length - 2] }, context))
  }
}

/** CASCADE reaches every table with a foreign key to it, whatever that does when rows are deleted. */
const truncateRuns = (body: Tree, { catalogue, searchPath }: Context): boolean =>
  body['behavior'] === 'DROP_CASCADE' ||
  list(body['relations']).some((range) => {
    const table = open(range)?.body ?? {}
    const name = text(table['relname']) ?? ''
    return resolveRelation(text(table['schemaname']), name, catalogue, searchPath).changeRuns
  })

function replaceVerbs(found: Found, verb: Verb): void {
  found.verbs.clear()
  found.verbs.add(verb)
}

function tagOf(type: string, tag: string, body: Tree): string {
  if (type === 'DropStmt') return `DROP ${objectWords(body['removeType'])}`
  if (type === 'RenameStmt') return `ALTER ${objectWords(body['renameType'])}`
  if (type === 'AlterObjectSchemaStmt' || type === 'AlterOwnerStmt') return `ALTER ${objectWords(body['objectType'])}`
  if (type === 'AlterTableStmt') return `ALTER ${objectWords(body['objtype'])}`
  if (type === 'DefineStmt') return `CREATE ${objectWords(body['kind'])}`
  if (type === 'CreateFunctionStmt') return body['is_procedure'] === true ? 'CREATE PROCEDURE' : 'CREATE FUNCTION'
  if (type === 'GrantStmt' && body['is_grant'] !== true) return 'REVOKE'
  if (type === 'GrantRoleStmt') return body['is_grant'] === true ? 'GRANT ROLE' : 'REVOKE ROLE'
  if (type === 'VacuumStmt' && body['is_vacuumcmd'] !== true) return 'ANALYZE'
  if (type === 'FetchStmt' && body['ismove'] === true) return 'MOVE'
  return tag
}

/** Names, and what else stands in a statement that is not a query. Functions in it may run, unless it only defines. */
function gather(value: unknown, context: Context, found: Found, defines: boolean): void {
  if (Array.isArray(value)) {
    for (const one of value) gather(one, context, found, defines)
    return
  }
  if (!isTree(value)) return
  for (const field in value) {
    const inner = value[field]
    if (isTree(inner)) {
      if (field === 'RangeVar' || field === 'relation' || field === 'view' || field === 'sequence') {
        if (typeof inner['relname'] === 'string') found.tables.add(named(inner, context))
      } else if (
        !defines &&
        (QUERIES.has(field) || field === 'FuncCall' || field === 'TypeCast' || field === 'A_Expr')
      ) {
        // An expression that is stored may run at once, too: a default while a column is added, an index while it is built.
        const apart = nothingFound()
        walkInto(apart, context).expressions({ [field]: inner })
        for (const name of apart.functions) found.functions.add(name)
        for (const verb of apart.callVerbs) found.callVerbs.add(verb === 'write' ? 'write' : verb)
        found.because ??= apart.because
        continue
      } else if (!defines && UTILITIES.has(field)) {
        const nested = UTILITIES.get(field)
        for (const verb of nested?.verbs ?? []) found.verbs.add(verb)
        found.tags.add(tagOf(field, nested?.tag ?? '', inner))
        gather(inner, context, found, nested?.defines === true)
        continue
      }
    }
    gather(inner, context, found, defines)
  }
}

/** Whether a statement makes, changes or drops something temporary: a shadow of another object in this session. */
function touchesTemporary(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(touchesTemporary)
  if (!isTree(value)) return value === 'pg_temp'
  if (value['relpersistence'] === 't') return true
  for (const field in value) if (touchesTemporary(value[field])) return true
  return false
}
