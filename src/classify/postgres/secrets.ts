import { eachToken, NAMES_A_SECRET, type Token } from './scan.ts'

const word = (text: string, token: Token | undefined): string =>
  token?.kind === 'word' ? text.slice(token.start, token.end).toLowerCase() : ''
const AFTER: ReadonlySet<string> = new Set([
  'password',
  'connection',
  'passwd',
  'passfile',
  'sslpassword',
  'password_required',
])

/**
 * UTF-16 ranges of literals that are or may hold a secret: after PASSWORD and CONNECTION, in OPTIONS (...) of a mapping
 * or server, in ALTER SYSTEM, in a call of dblink, and such text inside the body of a DO or a function.
 * Works on tokens alone, so also on text that the grammar refuses.
 */
export function findSecrets(text: string, nested = 0): { start: number; end: number }[] {
  if (!NAMES_A_SECRET.test(text) && !/connection|dblink|options/i.test(text)) return []
  const found: { start: number; end: number }[] = []
  let inSystem = false
  let inMapping = false
  let inDblink = false
  let before: Token | undefined
  let beforeThat: Token | undefined
  const look = (token: Token): void => {
    if (token.kind === 'punctuation' && text.charAt(token.start) === ';') inSystem = inMapping = inDblink = false
    const w = word(text, token)
    if (w === 'system' && word(text, before) === 'alter') inSystem = true
    if (
      (w === 'mapping' && word(text, before) === 'user') ||
      (w === 'server' && ['create', 'alter'].includes(word(text, before)))
    )
      inMapping = true
    if (w.startsWith('dblink')) inDblink = true
    if (token.kind !== 'string') return
    const literal = text.slice(token.start, token.end)
    const previous =
      before?.kind === 'operator' || (before?.kind === 'word' && word(text, before) === 'to') ? beforeThat : before
    const named = word(text, before) !== '' && AFTER.has(word(text, before))
    const assigned =
      previous !== before && NAMES_A_SECRET.test(previous === undefined ? '' : text.slice(previous.start, previous.end))
    if (named || assigned || inSystem || inMapping || (inDblink && NAMES_A_SECRET.test(literal)))
      found.push({ start: token.start, end: token.end })
    else if (NAMES_A_SECRET.test(literal)) {
      const tag = /^\$[^$]*\$/.exec(literal)?.[0]
      if (tag !== undefined && nested < 3) {
        const at = token.start + tag.length
        const inner = text.slice(at, token.end - tag.length)
        for (const one of findSecrets(inner, nested + 1)) found.push({ start: one.start + at, end: one.end + at })
      } else if (/passw\w{0,40}\W{1,40}\S/i.test(literal)) found.push({ start: token.start, end: token.end })
    }
  }
  eachToken(text, (kind, start, end) => {
    const token = { kind, start, end }
    look(token)
    beforeThat = before
    before = token
  })
  return found
}

/** UTF-16 positions, in their order, to bytes of UTF-8. */
export function toBytes(
  text: string,
  ranges: readonly { start: number; end: number }[],
): { start: number; end: number }[] {
  let at = 0
  let bytes = 0
  const to = (position: number): number => {
    bytes += Buffer.byteLength(text.slice(at, position))
    at = position
    return bytes
  }
  return ranges.map(({ start, end }) => ({ start: to(start), end: to(end) }))
}
