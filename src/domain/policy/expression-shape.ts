import { LONGEST_LIST } from './views.ts'
import type { ASTNode } from '@marcbachmann/cel-js'
import { fieldAt, LATER_FIELDS, VARIABLES } from './fields.ts'

export interface Problem {
  readonly code: string
  readonly message: string
  readonly offset: number
}

/** The name under which `matches` is evaluated: our own, on a linear-time engine. */
export const MATCHES = 'matchesRe2'

/** Everything callable. A new function of the library stays out until it is looked at. */
const FUNCTIONS = new Set(['has', 'size', 'duration', 'timestamp'])
const METHODS = new Set([
  'size',
  'startsWith',
  'endsWith',
  'contains',
  'lowerAscii',
  'upperAscii',
  'trim',
  'matches',
  'exists',
  'all',
  'exists_one',
  'filter',
  'map',
])
const LOOPS = new Set(['exists', 'all', 'exists_one', 'filter', 'map'])
/** RFC 3339 with a zone: without one, the meaning would depend on where Holdpoint runs. */
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/
const DURATION = /^([0-9]{1,9}(ms|s|m|h))+$/
/** Loops inside loops: two levels over lists of at most LONGEST_LIST. */
const DEEPEST_LOOP = 2

type Shape =
  | {
      readonly kind: 'shape'
      /** Paths from a variable on: `action.estimate.rows`. */
      readonly paths: readonly string[]
      readonly clauses: readonly string[]
      /** What only the checked types show: lists compared or joined. Call it after the type check. */
      afterCheck(): Problem | undefined
      /** The longest lists that it may look through; longer ones fail it. Call it after the type check. */
      longestList(): number
    }
  | { readonly kind: 'problem'; readonly problem: Problem }

interface Seen {
  readonly paths: Set<string>
  readonly text: string
  readonly isPattern: (text: string) => boolean
}

/** Nodes evaluated at most for one action: about a tenth of a second. */
const MOST_STEPS = 3_000_000

/** Walk a parsed expression: only known functions, literal patterns and times, bounded loops. Renames `matches` to our own. */
export function inspect(ast: ASTNode, text: string, isPattern: (text: string) => boolean): Shape {
  const seen: Seen = { paths: new Set(), text, isPattern }
  try {
    visit(ast, seen, new Set())
  } catch (cause) {
    if (cause instanceof Refused) return { kind: 'problem', problem: cause.problem }
    throw cause
  }
  return {
    kind: 'shape',
    paths: [...seen.paths].toSorted(),
    clauses: topLevel(ast).map((node) => text.slice(node.start, node.end)),
    longestList: () => {
      const deep = loops(ast)
      if (deep === 0) return LONGEST_LIST
      return Math.max(1, Math.min(LONGEST_LIST, Math.floor((MOST_STEPS / countNodes(ast)) ** (1 / deep))))
    },
    afterCheck: () => {
      try {
        if (loops(ast) > DEEPEST_LOOP)
          refuse(
            ast,
            'expression_too_costly',
            `Loops may be ${DEEPEST_LOOP} deep; comparing lists and \`in\` count as one.`,
          )
        return undefined
      } catch (cause) {
        if (cause instanceof Refused) return cause.problem
        throw cause
      }
    },
  }
}

class Refused extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}
function refuse(node: ASTNode, code: string, message: string): never {
  throw new Refused({ code, message, offset: node.start })
}

const childrenOf = (node: ASTNode): readonly ASTNode[] => {
  const found: ASTNode[] = []
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) collect(item)
    else if (typeof value === 'object' && value !== null && 'op' in value && 'args' in value)
      found.push(value as ASTNode)
  }
  collect(node.args)
  return found
}

const countNodes = (node: ASTNode): number => 1 + childrenOf(node).reduce((sum, child) => sum + countNodes(child), 0)

function visit(node: ASTNode, seen: Seen, bound: ReadonlySet<string>): void {
  switch (node.op) {
    case 'call':
      visitCall(node.args[0], node.args[1], node, seen, bound)
      return
    case 'rcall': {
      const [name, receiver, args] = node.args
      if (!METHODS.has(name)) refuse(node, 'expression_function', `${name}() is not available in expressions.`)
      visit(receiver, seen, bound)
      if (LOOPS.has(name)) {
        visitLoop(args, seen, bound)
        return
      }
      if (name === 'matches') {
        const regex = args[0]
        if (regex?.op !== 'value' || typeof regex.args !== 'string')
          refuse(node, 'expression_pattern', 'The pattern of matches() must be a literal text.')
        if (!seen.isPattern(regex.args))
          refuse(
            regex,
            'expression_pattern',
            'This is not a pattern that RE2 accepts, or it is longer than 256 characters.',
          )
        node.args[0] = MATCHES
      }
      for (const arg of args) visit(arg, seen, bound)
      return
    }
    case '.':
    case 'id': {
      const path = pathOf(node)
      if (path !== undefined && !bound.has(path[0] ?? '')) seen.paths.add(path.join('.'))
      else for (const child of childrenOf(node)) visit(child, seen, bound)
      return
    }
    case '[]': {
      const [left, index] = node.args
      const path = pathOf(left)
      const dynamic =
        path !== undefined &&
        !bound.has(path[0] ?? '') &&
        fieldAt(path)?.type.startsWith('map') !== true &&
        typeof (index.op === 'value' ? index.args : '') === 'string'
      if (dynamic && index.op === 'value')
        refuse(node, 'expression_type', `Write ${path.join('.')}.${String(index.args)} instead of an index in text.`)
      visit(left, seen, bound)
      visit(index, seen, bound)
      return
    }
    case '.?':
    case '[?]':
    case 'map':
      refuse(node, 'expression_function', 'Maps and optional access are not available in expressions.')
      break
    default:
      for (const child of childrenOf(node)) visit(child, seen, bound)
  }
}

function visitCall(
  name: string,
  args: readonly ASTNode[],
  node: ASTNode,
  seen: Seen,
  bound: ReadonlySet<string>,
): void {
  if (!FUNCTIONS.has(name)) refuse(node, 'expression_function', `${name}() is not available in expressions.`)
  const first = args[0]
  if (name === 'has' && first !== undefined) {
    const path = pathOf(first)
    if (path === undefined || bound.has(path[0] ?? ''))
      refuse(node, 'expression_type', 'has() takes a field of principal, resource, action or context.')
    const later = LATER_FIELDS[path.slice(0, 2).join('.')]
    if (later !== undefined)
      refuse(
        first,
        'not_enforced_yet',
        `${path.join('.')}: this version does not know ${later} yet, so no rule may count on it.`,
      )
    // The library does not check the field inside has(): a typing error would quietly be false for ever.
    if (fieldAt(path) === undefined) refuse(first, 'expression_type', `There is no field ${path.join('.')}.`)
    seen.paths.add(path.join('.'))
    return
  }
  if (name === 'duration' || name === 'timestamp') {
    const text = first?.op === 'value' && typeof first.args === 'string' ? first.args : undefined
    const fits =
      text !== undefined &&
      (name === 'duration' ? DURATION.test(text) : TIMESTAMP.test(text) && !Number.isNaN(Date.parse(text)))
    if (!fits)
      refuse(
        node,
        'expression_type',
        name === 'duration'
          ? 'duration() takes a literal such as "90m".'
          : 'timestamp() takes a literal such as "2026-12-01T00:00:00Z", with its zone.',
      )
    return
  }
  for (const arg of args) visit(arg, seen, bound)
}

function visitLoop(args: readonly ASTNode[], seen: Seen, bound: ReadonlySet<string>): void {
  const [variable, ...body] = args
  if (variable?.op !== 'id') {
    if (variable !== undefined) refuse(variable, 'expression_syntax', 'A loop needs the name of its variable first.')
    return
  }
  const name = variable.args
  if (name in VARIABLES || bound.has(name))
    refuse(variable, 'expression_syntax', `${name} has a meaning already; name the loop's variable otherwise.`)
  const inner = new Set([...bound, name])
  for (const part of body) visit(part, seen, inner)
}

/** `['action', 'estimate', 'rows']` for a plain access path; undefined for anything computed. */
export function pathOf(node: ASTNode): readonly string[] | undefined {
  if (node.op === 'id') return [node.args]
  if (node.op !== '.') return undefined
  const left = pathOf(node.args[0])
  return left === undefined ? undefined : [...left, node.args[1]]
}

/** The parts between the logical operators at the top. Parentheses are not nodes, so their content is split too. */
function topLevel(node: ASTNode): readonly ASTNode[] {
  return node.op === '&&' || node.op === '||' ? [...topLevel(node.args[0]), ...topLevel(node.args[1])] : [node]
}

const isList = (node: ASTNode): boolean => {
  const type = (node as { readonly checkedType?: { readonly kind?: string } }).checkedType
  return type?.kind === 'list' || type?.kind === 'dyn'
}

/** How deep loops nest: each level multiplies the cost by the length of a list. */
function loops(node: ASTNode): number {
  const inside = Math.max(0, ...childrenOf(node).map(loops))
  switch (node.op) {
    case 'rcall': {
      const [name, receiver, args] = node.args
      return LOOPS.has(name) ? Math.max(loops(receiver), 1 + Math.max(0, ...args.map(loops))) : inside
    }
    case 'in':
      return node.args[1].op === 'list' ? inside : inside + 1
    case '==':
    case '!=':
      return isList(node.args[0]) && node.args[0].op !== 'list' && node.args[1].op !== 'list' ? inside + 1 : inside
    case '+':
      if (isList(node.args[0])) refuse(node, 'expression_too_costly', 'Lists are not joined in expressions.')
      return inside
    default:
      return inside
  }
}
