import { createCache, type Cache } from './cache.ts'
import { createParser } from './parser.ts'
import { parseSearchPath } from './relations.ts'
import { depthBound, normalise, scan, stripPlainLiterals, type Token } from './scan.ts'
import { findSecrets, toBytes } from './secrets.ts'
import type { Classified, Classifier, TargetCatalogue } from './shape.ts'
import { shapeStatement } from './statements.ts'

export interface ClassifierOptions {
  /** Longest text in UTF-16 units; longer is `failed`. */
  readonly longest?: number
  /** Deepest tree, by the bound of `depthBound`; deeper is `failed`. The parser overflows at some 4,000. */
  readonly deepest?: number
  /** Most texts remembered, per generation of the cache. */
  readonly entries?: number
}

/** Shorter texts cannot be deep enough to overflow anything. */
const SHORT = 1500
/** Keys of one generation of the cache, in characters: some 8 MB. */
const CHARACTERS = 4_000_000

/** What of a target decides shapes, besides the text. One cache for each; the least lately made goes first. */
interface Known {
  readonly shapes: Cache<Classified>
  readonly searchPath: readonly string[]
}
const MOST_CONTEXTS = 64

/** Loads the parser (some 20 ms) and returns the classifier. See shape.ts for its contract. */
export async function createClassifier(options: ClassifierOptions = {}): Promise<Classifier> {
  const { longest = 512 * 1024, deepest = 1500, entries = 5_000 } = options
  const parser = await createParser()
  let contexts = new Map<string, Known>()
  let last: { readonly version: string; readonly path: string; readonly known: Known } | undefined

  const knownFor = (catalogue: TargetCatalogue | undefined, path: string): Known => {
    const version = catalogue === undefined ? '-' : `+${catalogue.version}`
    if (last !== undefined && last.version === version && last.path === path) return last.known
    const key = `${version}\n${path}`
    let known = contexts.get(key)
    if (known === undefined) {
      if (contexts.size >= MOST_CONTEXTS) contexts = new Map([...contexts].slice(MOST_CONTEXTS / 2))
      known = { shapes: createCache(entries, CHARACTERS / 8), searchPath: parseSearchPath(path) }
      contexts.set(key, known)
    }
    last = { version, path, known }
    return known
  }

  const look = (
    text: string,
    tokens: readonly Token[],
    catalogue: TargetCatalogue | undefined,
    known: Known,
  ): { classified: Classified; shared: boolean } => {
    const parsed = parser.parse(text)
    if (parsed.kind !== 'tree') return { classified: parsed, shared: false }
    const context = { catalogue, searchPath: known.searchPath }
    const shaped = parsed.statements.map(({ stmt }) => shapeStatement(stmt, context))
    const secrets = toBytes(text, findSecrets(text, tokens))
    return {
      classified: {
        kind: 'statements',
        statements: shaped.map((one) => one.shape),
        normalised: normalise(text, tokens),
        secrets,
      },
      shared: secrets.length === 0 && shaped.length > 0 && shaped.every((one) => one.shared),
    }
  }

  return {
    classify(text, catalogue, searchPath) {
      if (text.length > longest) return { kind: 'failed', message: `the text is longer than ${longest} characters` }
      // Keys of the second kind begin with it, and no message can hold one.
      if (text.charCodeAt(0) === 0) return { kind: 'failed', message: 'the text is not well-formed UTF-8' }
      const known = knownFor(catalogue, searchPath)
      const seen = known.shapes.get(text)
      if (seen !== undefined) return seen
      const stripped = stripPlainLiterals(text)
      // A key of its own kind: a text can hold '?' itself.
      const key = stripped === undefined || stripped === text ? undefined : `\u0000${stripped}`
      if (key !== undefined) {
        const same = known.shapes.get(key)
        if (same !== undefined) return same
      }
      // U+FFFD stands where bytes were not UTF-8: what the target would read there is not known.
      if (text.includes('\u0000') || text.includes('\ufffd') || !text.isWellFormed())
        return { kind: 'failed', message: 'the text is not well-formed UTF-8' }
      const tokens = scan(text)
      if (text.length > SHORT && depthBound(text, tokens) > deepest)
        return { kind: 'failed', message: 'the statement is nested too deeply' }
      let result: ReturnType<typeof look>
      try {
        result = look(text, tokens, catalogue, known)
      } catch {
        return { kind: 'failed', message: 'the classifier failed on this text' }
      }
      if (result.classified.kind === 'failed') return result.classified
      known.shapes.set(result.shared && key !== undefined ? key : text, result.classified)
      return result.classified
    },
    close() {
      contexts = new Map()
      last = undefined
    },
  }
}
