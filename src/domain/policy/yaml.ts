import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Document as YamlDocument,
  type Node,
  type ParsedNode,
  type Scalar,
} from 'yaml'
import type { Finding } from './finding.ts'

/** Limits on what is read at once. A file over them is refused whole. */
export const YAML_LIMITS = {
  fileBytes: 512 * 1024,
  totalBytes: 32 * 1024 * 1024,
  documents: 20_000,
  depth: 12,
  findings: 200,
} as const

export interface TextFile {
  readonly path: string
  readonly text: string
}
export interface Position {
  readonly line: number
  readonly column: number
}
/** One YAML document as plain data, with the way back to its text. */
export interface RawDocument {
  readonly path: string
  readonly line: number
  readonly data: Readonly<Record<string, unknown>>
  /** Where the value (or, with `key`, the key) at `at` stands; the nearest parent when it is not there. */
  locate(at: readonly PropertyKey[], options?: { readonly key?: boolean; readonly offset?: number }): Position
}

/**
 * Read YAML strictly. Everything is text but plain `true`, `false` and decimal integers: `no`, `on`, `0123`, `1:30`
 * and `1.10` stay what was typed. Aliases, anchors, tags, merge keys, directives and duplicate keys are errors.
 */
export function readYaml(files: readonly TextFile[]): {
  readonly documents: readonly RawDocument[]
  readonly findings: readonly Finding[]
} {
  const findings: Finding[] = []
  const documents: RawDocument[] = []
  let bytes = 0
  for (const file of files) {
    bytes += file.text.length
    const large = file.text.length > YAML_LIMITS.fileBytes || bytes > YAML_LIMITS.totalBytes
    if (large)
      findings.push(
        error(
          'too_large',
          `More than ${(file.text.length > YAML_LIMITS.fileBytes ? YAML_LIMITS.fileBytes : YAML_LIMITS.totalBytes) / 1024} KiB.`,
          file.path,
          { line: 1, column: 1 },
        ),
      )
    else readFile(file, documents, findings)
    if (large || documents.length > YAML_LIMITS.documents) {
      if (!large)
        findings.push(
          error('too_large', `More than ${YAML_LIMITS.documents} documents.`, file.path, { line: 1, column: 1 }),
        )
      break
    }
  }
  return { documents, findings: findings.slice(0, YAML_LIMITS.findings) }
}

function readFile(file: TextFile, documents: RawDocument[], findings: Finding[]): void {
  const deep = tooDeep(file.text)
  if (deep !== undefined) {
    findings.push(error('too_deep', `Nested more than ${YAML_LIMITS.depth} deep.`, file.path, deep))
    return
  }
  const lines = new LineCounter()
  // Duplicates are looked for in `toData`: the library's own check takes quadratic time.
  const parsed = parseAllDocuments<ParsedNode>(file.text, {
    schema: 'failsafe',
    version: '1.2',
    strict: true,
    uniqueKeys: false,
    merge: false,
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
  })
  for (const document of Array.isArray(parsed) ? parsed : []) readDocument(document, file, lines, documents, findings)
}

function readDocument(
  document: YamlDocument.Parsed,
  file: TextFile,
  lines: LineCounter,
  documents: RawDocument[],
  findings: Finding[],
): void {
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(Math.min(offset, file.text.length))
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const broken = [...document.errors, ...document.warnings].find((problem) => problem.code !== 'TAG_RESOLVE_FAILED')
  if (broken !== undefined) {
    findings.push(error('yaml_syntax', broken.message.split('\n', 1)[0] ?? 'Not YAML.', file.path, at(broken.pos[0])))
    return
  }
  if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).some((tag) => tag !== '!!')) {
    findings.push(
      error('yaml_directive', 'Directives (%YAML, %TAG) are not accepted.', file.path, at(document.range[0])),
    )
    return
  }
  const root = document.contents
  if (root === null || (isScalar(root) && root.value === '' && root.type === 'PLAIN')) return
  const before = findings.length
  const reader: Reader = {
    problem: (node, code, message) =>
      findings.push(error(code, message, file.path, at(node?.range?.[0] ?? document.range[0]))),
  }
  if (!isMap(root)) {
    reader.problem(root, 'not_a_document', 'A document is a map that starts with `kind:`.')
    return
  }
  const data = toData(root, reader, 0)
  if (findings.length > before) return
  documents.push({
    path: file.path,
    line: at(root.range?.[0] ?? 0).line,
    data: data as Readonly<Record<string, unknown>>,
    locate: (path, options) => locate(root, path, options ?? {}, file.text, at),
  })
}

interface Reader {
  problem(node: Node | null | undefined, code: string, message: string): void
}

function toData(node: unknown, reader: Reader, depth: number): unknown {
  if (node === null || node === undefined) return null
  if (isAlias(node)) {
    reader.problem(node, 'yaml_alias', 'Aliases are not accepted: write the text again.')
    return null
  }
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null
  if (node.tag !== undefined) reader.problem(node, 'yaml_tag', 'Tags are not accepted.')
  if (node.anchor !== undefined)
    reader.problem(node, 'yaml_alias', 'Anchors are not accepted: write the text where it is needed.')
  if (depth > YAML_LIMITS.depth) {
    reader.problem(node, 'too_deep', `Nested more than ${YAML_LIMITS.depth} deep.`)
    return null
  }
  if (isScalar(node)) return scalar(node, reader)
  if (isSeq(node)) return node.items.map((item) => toData(item, reader, depth + 1))
  const data: Record<string, unknown> = {}
  for (const pair of node.items) {
    const key: unknown = pair.key
    if (
      !isScalar(key) ||
      typeof key.value !== 'string' ||
      key.tag !== undefined ||
      key.anchor !== undefined ||
      key.value === ''
    ) {
      reader.problem(isScalar(key) || isMap(key) || isSeq(key) ? key : node, 'yaml_key', 'A key is plain text.')
    } else if (key.value === '<<') reader.problem(key, 'yaml_merge_key', 'Merge keys (<<) are not accepted.')
    else if (['__proto__', 'constructor', 'prototype'].includes(key.value))
      reader.problem(key, 'yaml_key', 'This key is not accepted.')
    else if (Object.hasOwn(data, key.value))
      reader.problem(key, 'duplicate_key', `The key ${key.value} stands here twice.`)
    else data[key.value] = toData(pair.value, reader, depth + 1)
  }
  return data
}

/** Control, invisible and direction-changing characters: a reviewer could not tell two texts apart. */
const UNSEEN =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/u

function scalar(node: Scalar, reader: Reader): unknown {
  const text = String(node.value)
  if (UNSEEN.test(text))
    reader.problem(node, 'unseen_character', 'Control, invisible and direction-changing characters are not accepted.')
  if (node.type !== 'PLAIN') return text
  if (text === '' || text === '~' || text === 'null') return null
  if (text === 'true') return true
  if (text === 'false') return false
  return /^-?(?:0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : text
}

function locate(
  root: Node,
  path: readonly PropertyKey[],
  options: { readonly key?: boolean; readonly offset?: number },
  text: string,
  at: (offset: number) => Position,
): Position {
  let node: Node = root
  for (const [index, step] of path.entries()) {
    let next: unknown
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === String(step))
      if (options.key === true && index === path.length - 1 && isScalar(pair?.key)) return at(pair.key.range?.[0] ?? 0)
      next = pair?.value
    } else if (isSeq(node)) next = node.items[Number(step)]
    if (!isScalar(next) && !isMap(next) && !isSeq(next)) return at(node.range?.[0] ?? 0)
    node = next
  }
  const start = node.range?.[0] ?? 0
  if (options.offset === undefined || !isScalar(node) || typeof node.value !== 'string') return at(start)
  return at(offsetInSource(text, start, node.range?.[1] ?? start, node.value, options.offset, node.type))
}

/** Folding and indentation change only white space, so the n-th other character of the value is the n-th of its source. */
function offsetInSource(
  text: string,
  start: number,
  end: number,
  value: string,
  offset: number,
  type: string | undefined,
): number {
  const source = text.slice(start, end)
  if (type === 'QUOTE_DOUBLE' && source.includes('\\')) return start
  const header =
    type?.startsWith('BLOCK') === true ? source.indexOf('\n') + 1 : type?.startsWith('QUOTE') === true ? 1 : 0
  let wanted = value.slice(0, offset).replaceAll(/\s/g, '').length
  for (let index = header; index < source.length; index++) {
    if (/\s/.test(source.charAt(index))) continue
    if (wanted === 0) return start + index
    wanted--
  }
  return start
}

/** A look at the raw text, so that a bomb never reaches the parser, which recurses. Brackets in quotes count: 64 open ones are no profile. */
function tooDeep(text: string): Position | undefined {
  let open = 0
  let line = 1
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char === 10) line++
    else if (char === 91 || char === 123) open++
    else if ((char === 93 || char === 125) && open > 0) open--
    if (open > 64) return { line, column: 1 }
  }
  const dashes = /^[ \t]*(?:[-?:][ \t]+){13}/m.exec(text)
  return dashes === null ? undefined : { line: text.slice(0, dashes.index).split('\n').length, column: 1 }
}

const error = (code: string, message: string, path: string, position: Position): Finding => ({
  severity: 'error',
  code,
  message,
  path,
  ...position,
})
