/**
 * A lexer for PostgreSQL's SQL with standard_conforming_strings on (scan.l of PostgreSQL 18), for what must work on
 * text that the grammar refuses too: normalising, masking, and a bound on how deep the parser will recurse.
 * What a statement *is* never depends on it.
 */
export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'param' | 'operator' | 'punctuation'
export interface Token {
  readonly kind: TokenKind
  readonly start: number
  readonly end: number
}

const isSpace = (c: number): boolean => c === 32 || (c >= 9 && c <= 13)
const isDigit = (c: number): boolean => c >= 48 && c <= 57
const isWordStart = (c: number): boolean => (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c >= 128
const isWord = (c: number): boolean => isWordStart(c) || isDigit(c) || c === 36
const OPERATOR: ReadonlySet<number> = new Set(Buffer.from('~!@#^&|`?+-*/%<>='))
const QUOTE = 39
const MINUS = 45

/** Where a quoted run that opens at `at` (the quote itself) ends, past the closing quote; beyond the text when it never closes. */
function endOfQuotes(text: string, at: number, quote: number, escapes: boolean): number {
  let i = at + 1
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (escapes && c === 92) i++
    else if (c === quote) {
      if (text.charCodeAt(i + 1) !== quote) return i + 1
      i++
    }
  }
  return text.length + 1
}

/** White space and comments from `at` on: where they end, and whether a line ended in them. */
function skip(text: string, at: number): { readonly at: number; readonly newline: boolean; readonly block: boolean } {
  let i = at
  let newline = false
  let block = false
  for (;;) {
    const c = text.charCodeAt(i)
    if (isSpace(c)) {
      if (c === 10 || c === 13) newline = true
      i++
    } else if (c === MINUS && text.charCodeAt(i + 1) === MINUS) {
      while (i < text.length && text.charCodeAt(i) !== 10 && text.charCodeAt(i) !== 13) i++
    } else if (c === 47 && text.charCodeAt(i + 1) === 42) {
      block = true
      let depth = 1
      i += 2
      while (i < text.length && depth > 0) {
        if (text.charCodeAt(i) === 47 && text.charCodeAt(i + 1) === 42) [depth, i] = [depth + 1, i + 2]
        else if (text.charCodeAt(i) === 42 && text.charCodeAt(i + 1) === 47) [depth, i] = [depth - 1, i + 2]
        else i++
      }
    } else return { at: i, newline, block }
  }
}

/** A string literal whose first quote is at `quote`, with the parts that continue it on later lines. */
function endOfString(text: string, quote: number, escapes: boolean): number {
  let end = endOfQuotes(text, quote, QUOTE, escapes)
  for (;;) {
    const gap = skip(text, end)
    if (!gap.newline || gap.block || text.charCodeAt(gap.at) !== QUOTE) return end
    end = endOfQuotes(text, gap.at, QUOTE, escapes)
  }
}

const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y
const NUMBER =
  /(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)/y

/** Cut `text` into tokens, comments and white space left out. Never fails: what is not closed runs to the end. */
export function scan(text: string): Token[] {
  const tokens: Token[] = []
  eachToken(text, (kind, start, end) => tokens.push({ kind, start, end }))
  return tokens
}

/** As `scan`, one at a time: the tokens of a text of megabytes would take more room than all else about it. */
export function eachToken(text: string, take: (kind: TokenKind, start: number, end: number) => void): void {
  let i = 0
  const push = (kind: TokenKind, past: number): void => {
    const end = Math.min(past, text.length)
    take(kind, i, end)
    i = end
  }
  for (;;) {
    i = skip(text, i).at
    if (i >= text.length) return
    const c = text.charCodeAt(i)
    const next = text.charCodeAt(i + 1)
    if (c === QUOTE) push('string', endOfString(text, i, false))
    else if (c === 34) push('quoted', endOfQuotes(text, i, 34, false))
    else if (next === QUOTE && 'eE'.includes(text.charAt(i))) push('string', endOfString(text, i + 1, true))
    else if (next === QUOTE && 'bBxXnN'.includes(text.charAt(i))) push('string', endOfString(text, i + 1, false))
    else if ((c === 85 || c === 117) && next === 38 && text.charCodeAt(i + 2) === QUOTE)
      push('string', endOfString(text, i + 2, false))
    else if ((c === 85 || c === 117) && next === 38 && text.charCodeAt(i + 2) === 34)
      push('quoted', endOfQuotes(text, i + 2, 34, false))
    else if (isWordStart(c)) {
      let end = i + 1
      while (end < text.length && isWord(text.charCodeAt(end))) end++
      push('word', end)
    } else if (isDigit(c) || (c === 46 && isDigit(next))) {
      NUMBER.lastIndex = i
      push('number', NUMBER.test(text) ? NUMBER.lastIndex : i + 1)
    } else if (c === 36) {
      DOLLAR_TAG.lastIndex = i
      if (DOLLAR_TAG.test(text)) {
        const tag = text.slice(i, DOLLAR_TAG.lastIndex)
        const close = text.indexOf(tag, DOLLAR_TAG.lastIndex)
        push('string', close < 0 ? text.length : close + tag.length)
      } else {
        let end = i + 1
        while (end < text.length && isDigit(text.charCodeAt(end))) end++
        push('param', end)
      }
    } else if (OPERATOR.has(c)) {
      let end = i + 1
      while (end < text.length && OPERATOR.has(text.charCodeAt(end))) {
        if (text.startsWith('--', end) || text.startsWith('/*', end)) break
        end++
      }
      push('operator', end)
    } else push('punctuation', c === 46 && next === 46 ? i + 2 : i + 1)
  }
}

/** The text with every literal replaced by `?`. Works on any text, so it is also what may be kept of a text that the grammar refuses. */
export function normalise(text: string): string {
  const parts: string[] = []
  let from = 0
  eachToken(text, (kind, start, end) => {
    if (kind !== 'string' && kind !== 'number') return
    parts.push(text.slice(from, start), '?')
    from = end
  })
  return from === 0 ? text : parts.join('') + text.slice(from)
}

const LARGEST_INTEGER = '2147483647'
const SET_OPERATION = /^(?:union|intersect|except)$/i

/**
 * An upper bound on the depth of the parse tree: between commas and semicolons of one bracket level a tree can be no
 * deeper than there are tokens, and commas separate siblings except across UNION, INTERSECT and EXCEPT.
 */
export function depthBound(text: string, tokens: readonly Token[]): number {
  interface Level {
    setOperations: number
    segment: number
    inner: number
    deepest: number
  }
  const open = (): Level => ({ setOperations: 0, segment: 0, inner: 0, deepest: 0 })
  const close = (level: Level): number => level.setOperations + Math.max(level.deepest, level.segment + level.inner)
  const stack: Level[] = [open()]
  let most = 0
  for (const token of tokens) {
    const level = stack[stack.length - 1]
    if (level === undefined) break
    const c = token.kind === 'punctuation' ? text.charAt(token.start) : ''
    if (c === '(' || c === '[') {
      level.segment++
      stack.push(open())
    } else if ((c === ')' || c === ']') && stack.length > 1) {
      const inner = close(level)
      stack.pop()
      const outer = stack[stack.length - 1]
      if (outer !== undefined) outer.inner = Math.max(outer.inner, inner)
    } else if (c === ',' || c === ';') {
      level.deepest = Math.max(level.deepest, level.segment + level.inner)
      level.segment = 0
      level.inner = 0
      if (c === ';' && stack.length === 1) {
        most = Math.max(most, close(level))
        stack[0] = open()
      }
    } else {
      level.segment++
      if (token.kind === 'word' && SET_OPERATION.test(text.slice(token.start, token.end))) level.setOperations++
    }
  }
  // Brackets that were never closed: all of it counts.
  let rest = 0
  for (let i = stack.length - 1; i >= 0; i--) {
    const level = stack[i]
    if (level !== undefined) rest = close({ ...level, inner: Math.max(level.inner, rest) })
  }
  return Math.max(most, rest)
}

/** Text that speaks of a secret, in a literal (secrets.ts). */
export const NAMES_A_SECRET = /passw|secret|conninfo|api_?key|token/i

/**
 * The text with plain literals replaced, as a key for shapes that a literal cannot change. Undefined wherever the
 * replacing is not beyond doubt (escape strings, dollar quotes, comments, odd numbers): a wrong key would
 * hand one statement's shape to another.
 */
export function stripPlainLiterals(text: string): string | undefined {
  let out = ''
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) {
      const before = text.charCodeAt(i - 1)
      if (i > 0 && (isWord(before) || before === 38 || before === QUOTE)) return undefined
      const end = endOfQuotes(text, i, QUOTE, false)
      if (end > text.length) return undefined
      // What may be masked. The shortest of these words has five letters.
      if (end - i > 6 && NAMES_A_SECRET.test(text.slice(i, end))) return undefined
      out += `${text.slice(from, i)}'?'`
      from = end
      i = end - 1
    } else if (c === 34) {
      // U&"..." UESCAPE '!' : there a literal does change a name.
      if (text.charCodeAt(i - 1) === 38) return undefined
      const end = endOfQuotes(text, i, 34, false)
      if (end > text.length) return undefined
      i = end - 1
    } else if (c === 36) {
      if (!isDigit(text.charCodeAt(i + 1))) return undefined
      while (isDigit(text.charCodeAt(i + 1))) i++
      if (isWord(text.charCodeAt(i + 1))) return undefined
    } else if ((c === MINUS && text.charCodeAt(i + 1) === MINUS) || (c === 47 && text.charCodeAt(i + 1) === 42)) {
      return undefined
    } else if (isWordStart(c)) {
      while (i + 1 < text.length && isWord(text.charCodeAt(i + 1))) i++
      if (text.charCodeAt(i + 1) === QUOTE || text.charCodeAt(i) === 36) return undefined
    } else if (isDigit(c)) {
      let end = i + 1
      while (isDigit(text.charCodeAt(end))) end++
      // Where the grammar wants a small integer (a type modifier, an array bound), any other number is an error.
      let mark = end - i < 10 || (end - i === 10 && text.slice(i, end) <= LARGEST_INTEGER) ? '?' : '?#'
      if (mark === '?#' && c === 48) return undefined
      if (text.charCodeAt(end) === 46) {
        mark = '?#'
        end++
        while (isDigit(text.charCodeAt(end))) end++
      }
      const after = text.charCodeAt(end)
      if (isWord(after) || after === 46 || text.charCodeAt(i - 1) === 46) return undefined
      out += text.slice(from, i) + mark
      from = end
      i = end - 1
    }
  }
  return from === 0 ? text : out + text.slice(from)
}
