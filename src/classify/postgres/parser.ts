import make, { type Instance } from 'libpg-query/wasm/libpg-query.js'

/** A node or structure of the parse tree, as libpg_query writes it in JSON. */
export type Tree = { readonly [field: string]: unknown }

export type ParsedText =
  | {
      readonly kind: 'tree'
      readonly statements: readonly { readonly stmt: Tree; readonly start: number; readonly length: number }[]
    }
  | { readonly kind: 'syntax_error'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string }

/** A heap starts with 128 MiB of address space and never shrinks: an instance that has grown beyond this is replaced. */
const MOST_HEAP = 256 * 1024 * 1024

export interface Parser {
  /** Synchronous. Any trouble that is not a syntax error throws the instance away. */
  parse(text: string): ParsedText
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

  return {
    ready: () => making,
    parse(text) {
      const instance = current
      if (instance === undefined) return { kind: 'failed', message: 'the SQL parser is being restarted' }
      try {
        const parsed = parseWith(instance, text)
        if (instance.HEAPU8.length > MOST_HEAP) replace()
        return parsed
      } catch (error) {
        replace()
        return {
          kind: 'failed',
          message: `the SQL parser failed: ${error instanceof RangeError ? 'nested too deeply' : error instanceof Error ? error.name : 'unknown'}`,
        }
      }
    },
  }
}

function parseWith(instance: Instance, text: string): ParsedText {
  const size = instance.lengthBytesUTF8(text) + 1
  const pointer = instance._malloc(size)
  if (pointer === 0) throw new Error('out of memory')
  instance.stringToUTF8(text, pointer, size)
  const result = instance._wasm_parse_query_raw(pointer)
  if (result === 0) throw new Error('out of memory')
  const tree = instance.getValue(result, 'i32')
  const error = instance.getValue(result + 8, 'i32')
  let parsed: ParsedText
  if (error !== 0) {
    const message = instance.UTF8ToString(instance.getValue(error, 'i32'))
    // The bison stack is bounded where the server's is not: that is our limit, not the grammar's refusal.
    parsed = /memory exhausted|stack depth|out of memory/i.test(message)
      ? { kind: 'failed', message: 'the statement is nested too deeply' }
      : { kind: 'syntax_error', message }
  } else {
    if (tree === 0) throw new Error('no tree')
    const json: unknown = JSON.parse(instance.UTF8ToString(tree))
    parsed = { kind: 'tree', statements: readStatements(json) }
  }
  instance._free(pointer)
  instance._wasm_free_parse_result(result)
  return parsed
}

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function readStatements(json: unknown): { stmt: Tree; start: number; length: number }[] {
  if (!isTree(json)) throw new Error('no tree')
  // An empty text has no `stmts`.
  const list = json['stmts'] ?? []
  if (!Array.isArray(list)) throw new Error('no statements')
  return list.map((raw: unknown) => {
    if (!isTree(raw) || !isTree(raw['stmt'])) throw new Error('not a statement')
    const { stmt_location: start = 0, stmt_len: length = 0 } = raw
    return { stmt: raw['stmt'], start: Number(start), length: Number(length) }
  })
}
