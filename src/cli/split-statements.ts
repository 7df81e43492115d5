/**
 * Cuts SQL at its semicolons, leaving alone those inside quotes, dollar quotes and comments (PostgreSQL 18, 4.1).
 * Assumes standard_conforming_strings, which the gateway insists on. Only decides where to cut; the gateway
 * judges what each piece is.
 */
export function splitStatements(text: string): { readonly whole: readonly string[]; readonly rest: string } {
  const whole: string[] = []
  let start = 0
  let at = 0
  while (at < text.length) {
    if (text[at] === ';') {
      whole.push(text.slice(start, at + 1))
      start = ++at
      continue
    }
    const end = skip(text, at)
    if (end === undefined) return { whole, rest: text.slice(start) }
    at = end
  }
  return { whole, rest: text.slice(start) }
}

/** Behind the token that begins at `at`; undefined when it does not end in this text. */
function skip(text: string, at: number): number | undefined {
  const here = text[at]
  if (here === "'") {
    const escapes = /[eE]/.test(text[at - 1] ?? '') && !/[\p{L}\p{N}_$]/u.test(text[at - 2] ?? '')
    return behind(text, at, escapes ? /(?:[^'\\]|\\[\s\S]|'')*'/y : /(?:[^']|'')*'/y)
  }
  if (here === '"') return behind(text, at, /(?:[^"]|"")*"/y)
  if (text.startsWith('--', at)) {
    const line = text.indexOf('\n', at)
    return line < 0 ? undefined : line + 1
  }
  if (text.startsWith('/*', at)) return behindComment(text, at)
  if (here === '$' && !/[\p{L}\p{N}_$]/u.test(text[at - 1] ?? '')) {
    const tag = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy
    tag.lastIndex = at
    const found = tag.exec(text)?.[0]
    if (found === undefined) return at + 1
    const close = text.indexOf(found, at + found.length)
    return close < 0 ? undefined : close + found.length
  }
  return at + 1
}

function behind(text: string, at: number, pattern: RegExp): number | undefined {
  pattern.lastIndex = at + 1
  const found = pattern.exec(text)
  return found === null ? undefined : at + 1 + found[0].length
}

/** Comments nest. */
function behindComment(text: string, at: number): number | undefined {
  let depth = 0
  for (let i = at; i < text.length; i++) {
    if (text.startsWith('/*', i)) {
      depth++
      i++
    } else if (text.startsWith('*/', i)) {
      depth--
      i++
      if (depth === 0) return i + 1
    }
  }
  return undefined
}
