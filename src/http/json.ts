/**
 * JSON (RFC 8259) as strict as a control plane needs it: valid UTF-8 without a byte order mark, no duplicate
 * keys (parsers differ in which one wins), no keys that touch prototypes, a bounded depth, finite numbers, and
 * only strings that PostgreSQL can store.
 */

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string; /** In UTF-16 units of the text. */ readonly at: number }

/** Nothing the API takes nests deeper than a handful; this bounds the recursion. */
export const DEEPEST = 32

const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const SPACE = /[ \t\n\r]*/y
// Anything but a quote, a backslash and the control characters that JSON forbids inside a string.
const PLAIN = /[^"\\\p{Cc}]*/uy
const CONTROL_ALLOWED = /[\u007f-\u009f]/

class Malformed extends Error {
  readonly at: number
  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

/** Bytes in, value out. Never throws for any input; takes time linear in its length. */
export function parseJson(bytes: Uint8Array): ParsedJson {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return { ok: false, message: 'is not valid UTF-8', at: 0 }
  }
  const reader = new Reader(text)
  try {
    return { ok: true, value: reader.document() }
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, message: error.message, at: error.at }
    throw error
  }
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): unknown {
    const value = this.#value(0)
    this.#skip(SPACE)
    if (this.#at < this.#text.length) this.#fail('has something behind its end')
    return value
  }

  #value(depth: number): unknown {
    this.#skip(SPACE)
    if (depth > DEEPEST) this.#fail(`is nested more than ${DEEPEST} deep`)
    const next = this.#text[this.#at]
    if (next === '{') return this.#object(depth)
    if (next === '[') return this.#array(depth)
    if (next === '"') return this.#string()
    if (next === 't') return this.#word('true', true)
    if (next === 'f') return this.#word('false', false)
    if (next === 'n') return this.#word('null', null)
    return this.#number()
  }

  #object(depth: number): Record<string, unknown> {
    const made: Record<string, unknown> = {}
    this.#at += 1
    this.#skip(SPACE)
    if (this.#take('}')) return made
    for (;;) {
      this.#skip(SPACE)
      const start = this.#at
      if (this.#text[start] !== '"') this.#fail('wants a key in double quotes')
      const key = this.#string()
      if (FORBIDDEN.has(key)) this.#fail(`has the forbidden key '${key}'`, start)
      if (Object.hasOwn(made, key)) this.#fail(`has the key '${shorten(key)}' twice`, start)
      this.#skip(SPACE)
      if (!this.#take(':')) this.#fail("wants ':'")
      made[key] = this.#value(depth + 1)
      this.#skip(SPACE)
      if (this.#take('}')) return made
      if (!this.#take(',')) this.#fail("wants ',' or '}'")
    }
  }

  #array(depth: number): unknown[] {
    const made: unknown[] = []
    this.#at += 1
    this.#skip(SPACE)
    if (this.#take(']')) return made
    for (;;) {
      made.push(this.#value(depth + 1))
      this.#skip(SPACE)
      if (this.#take(']')) return made
      if (!this.#take(',')) this.#fail("wants ',' or ']'")
    }
  }

  #string(): string {
    const start = this.#at
    this.#at += 1
    let escaped = false
    for (;;) {
      this.#skip(PLAIN)
      const next = this.#text[this.#at]
      if (next === '"') break
      if (next === undefined) this.#fail('ends inside a string', start)
      if (next === '\\') {
        escaped = true
        this.#at += 2
      } else if (CONTROL_ALLOWED.test(next)) this.#at += 1
      else this.#fail('has a control character in a string')
    }
    this.#at += 1
    const raw = this.#text.slice(start, this.#at)
    const value = escaped ? this.#unescape(raw, start) : raw.slice(1, -1)
    if (value.includes('\0')) this.#fail('has a NUL in a string', start)
    if (!value.isWellFormed()) this.#fail('has half a surrogate pair in a string', start)
    return value
  }

  #unescape(raw: string, start: number): string {
    try {
      return JSON.parse(raw) as string
    } catch {
      return this.#fail('has an escape that JSON does not know', start)
    }
  }

  #number(): number {
    const start = this.#at
    this.#skip(NUMBER)
    if (this.#at === start) this.#fail(start >= this.#text.length ? 'ends too early' : 'is not JSON here')
    const value = Number(this.#text.slice(start, this.#at))
    return Number.isFinite(value) ? value : this.#fail('has a number that is too large', start)
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('is not JSON here')
    this.#at += word.length
    return value
  }

  #take(one: string): boolean {
    if (this.#text[this.#at] !== one) return false
    this.#at += 1
    return true
  }

  #skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at
    if (pattern.test(this.#text)) this.#at = pattern.lastIndex
  }

  #fail(message: string, at = this.#at): never {
    throw new Malformed(message, at)
  }
}

const shorten = (key: string): string => (key.length > 40 ? `${key.slice(0, 40)}…` : key)
