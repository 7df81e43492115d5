import make, { type Instance } from 'libpg-query/wasm/libpg-query.js'

/** A node or structure of the parse tree, as libpg_query writes it in JSON. */
export type Tree = { readonly [field: string]: unknown }

interface Statement {
  readonly stmt: Tree
}

export type ParsedText =
  | { readonly kind: 'tree'; readonly statements: readonly Statement[] }
  | { readonly kind: 'syntax_error'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string }

/** A heap starts with 128 MiB of address space and never shrinks: an instance that has grown beyond this is replaced. */
const MOST_HEAP = 256 * 1024 * 1024

export interface Parser {
  /** Synchronous. Any trouble that is not a syntax error throws the instance away. */
  parse(text: string): ParsedText
  /**
   * The same for a text of many statements: each is handed over and forgotten, so that never more than one of their
   * trees is there. What `take` throws counts as trouble of the parser's.
   */
  parseEach(text: string, take: (statement: Tree) => void): Exclude<ParsedText, { kind: 'tree' }> | { kind: 'taken' }
  /** Resolves once an instance stands ready. */
  ready(): Promise<void>
}

/**
 * The grammar of PostgreSQL 18. Two instances: when one overflows its stack it may spoil later answers, so it is
 * dropped on any error that is not the grammar's, and the spare takes over while another is made.
 */
export async function createParser(): Promise<Parser> {
  const spare: Instance[] = [await make(), await make()]
  let making: Promise<void> = Promise.resolve()
  let current = spare.pop()

  const replace = (): void => {
    current = spare.pop()
    making = make().then(
      (instance) => {
        if (current === undefined) current = instance
        else spare.push(instance)
      },
      () => undefined,
    )
  }

  const attempt = <T>(text: string, read: (instance: Instance, tree: number) => T): T | Refused => {
    const instance = current
    if (instance === undefined) return { kind: 'failed', message: 'the SQL parser is being restarted' }
    try {
      const parsed = parseWith(instance, text, read)
      if (instance.HEAPU8.length > MOST_HEAP || isFailure(parsed)) replace()
      return parsed
    } catch (error) {
      replace()
      return {
        kind: 'failed',
        message: `the SQL parser failed: ${error instanceof RangeError ? 'nested too deeply' : error instanceof Error ? error.name : 'unknown'}`,
      }
    }
  }

  return {
    ready: () => making,
    parse: (text) =>
      attempt(text, (instance, tree) => ({
        kind: 'tree',
        statements: readStatements(JSON.parse(instance.UTF8ToString(tree))),
      })),
    parseEach: (text, take) =>
      attempt(text, (instance, tree) => {
        for (const [start, end] of statementsIn(instance.HEAPU8, tree))
          take(readStatement(JSON.parse(Buffer.from(instance.HEAPU8.subarray(start, end)).toString())).stmt)
        return { kind: 'taken' }
      }),
  }
}

type Refused = Exclude<ParsedText, { kind: 'tree' }>
const isFailure = (parsed: unknown): boolean => isTree(parsed) && parsed['kind'] === 'failed'

function parseWith<T>(instance: Instance, text: string, read: (instance: Instance, tree: number) => T): T | Refused {
  const size = instance.lengthBytesUTF8(text) + 1
  const pointer = instance._malloc(size)
  if (pointer === 0) throw new Error('out of memory')
  instance.stringToUTF8(text, pointer, size)
  const result = instance._wasm_parse_query_raw(pointer)
  if (result === 0) throw new Error('out of memory')
  const tree = instance.getValue(result, 'i32')
  const error = instance.getValue(result + 8, 'i32')
  let parsed: T | Refused
  if (error !== 0) {
    const message = instance.UTF8ToString(instance.getValue(error, 'i32'))
    // The bison stack is bounded, as the server's is: that is a limit, not the grammar's refusal.
    parsed = /memory exhausted|stack depth|out of memory/i.test(message)
      ? { kind: 'failed', message: 'the statement is nested too deeply' }
      : { kind: 'syntax_error', message }
  } else {
    if (tree === 0) throw new Error('no tree')
    parsed = read(instance, tree >>> 0)
  }
  instance._free(pointer)
  instance._wasm_free_parse_result(result)
  return parsed
}

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function readStatements(json: unknown): Statement[] {
  if (!isTree(json)) throw new Error('no tree')
  // An empty text has no `stmts`.
  const list = json['stmts'] ?? []
  if (!Array.isArray(list)) throw new Error('no statements')
  return list.map(readStatement)
}

function readStatement(raw: unknown): Statement {
  if (!isTree(raw) || !isTree(raw['stmt'])) throw new Error('not a statement')
  return { stmt: raw['stmt'] }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Where in the bytes of `{"version":…,"stmts":[{…},{…}]}` at `at` each statement stands: the objects two levels down. */
function* statementsIn(bytes: Uint8Array, at: number): Generator<readonly [number, number]> {
  let depth = 0
  let start = 0
  for (let i = at; bytes[i] !== 0; i++) {
    const c = bytes[i]
    if (c === undefined) throw new Error('no end')
    if (c === QUOTE) {
      for (i++; bytes[i] !== QUOTE; i++) {
        if (bytes[i] === BACKSLASH) i++
        if (bytes[i] === undefined) throw new Error('no end')
      }
    } else if (c === 0x7b || c === 0x5b) {
      depth++
      if (depth === 3 && c === 0x7b) start = i
    } else if (c === 0x7d || c === 0x5d) {
      if (depth === 3 && c === 0x7d) yield [start, i + 1]
      depth--
    }
  }
  if (depth !== 0) throw new Error('no end')
}
