import { createCache, type Cache } from './cache.ts'
import { createLongTexts, type LongTextOptions } from './long-texts.ts'
import { look } from './look.ts'
import { createParser } from './parser.ts'
import { parseSearchPath } from './relations.ts'
import { depthBound, scan, stripPlainLiterals } from './scan.ts'
import type { Classified, Classifier, TargetCatalogue } from './shape.ts'

export interface ClassifierOptions {
  /** Longest text that is read at once, in UTF-16 units: some milliseconds. Longer is read by a thread. */
  readonly atOnce?: number
  /** Longest text in UTF-16 units; longer is `failed`. */
  readonly longest?: number
  /** Deepest tree read at once, by the bound of `depthBound`; deeper is read by a thread. The parser here overflows at some 4,000. */
  readonly deepest?: number
  /** Most texts remembered for one catalogue and search path, per generation of the cache. */
  readonly entries?: number
  readonly longTexts?: LongTextOptions
}

/** Shorter texts cannot be deep enough to overflow anything. */
const SHORT = 1500
/** Weight of one generation of one cache, in characters: with what else an entry holds, some 4 MB. */
const CHARACTERS = 1_000_000
/** Texts up to this long do not wait behind longer ones. */
const QUICK = 256 * 1024

/** What of a target decides shapes, besides the text. One cache for each; the least lately made goes first. */
interface Known {
  readonly target: string
  readonly version: string
  readonly shapes: Cache<Classified>
  readonly searchPath: readonly string[]
}
const MOST_CONTEXTS = 64

const failed = (message: string): Classified => ({ kind: 'failed', message })
const LATER: Classified = { kind: 'failed', message: 'the text is long or deep, and was not read', later: true }

/** Loads the parser (some 20 ms) and returns the classifier. See shape.ts for its contract. */
export async function createClassifier(options: ClassifierOptions = {}): Promise<Classifier> {
  const { atOnce = 32 * 1024, longest = 16 * 1024 * 1024, deepest = 1500, entries = 2_000 } = options
  const parser = await createParser()
  const quick = createLongTexts(options.longTexts)
  const slow = createLongTexts(options.longTexts)
  const long = new LongOnes(3 * longest)
  let contexts = new Map<string, Known>()
  let last: { readonly version: string; readonly path: string; readonly known: Known } | undefined

  const knownFor = (catalogue: TargetCatalogue | undefined, path: string): Known => {
    const version = catalogue === undefined ? '-' : `+${catalogue.version}`
    if (last !== undefined && last.version === version && last.path === path) return last.known
    const key = `${version}\n${path}`
    let known = contexts.get(key)
    if (known === undefined) {
      const [target = ''] = version.split(' ')
      // What was known of a target before it changed does not come back.
      for (const [other, one] of contexts) {
        if (one.target === target && one.version !== version) contexts.delete(other)
      }
      if (contexts.size >= MOST_CONTEXTS) contexts = new Map([...contexts].slice(MOST_CONTEXTS / 2))
      known = { target, version, shapes: createCache(entries, CHARACTERS), searchPath: parseSearchPath(path) }
      contexts.set(key, known)
    }
    last = { version, path, known }
    return known
  }

  const tooLong = (): Classified => failed(`the text is longer than ${longest} characters`)

  const classify: Classifier['classify'] = (text, catalogue, searchPath) => {
    const known = knownFor(catalogue, searchPath)
    if (text.length > atOnce) return text.length > longest ? tooLong() : (long.get(text, known) ?? LATER)
    // Keys of the second kind begin with it, and no message can hold one.
    if (text.charCodeAt(0) === 0) return failed('the text is not well-formed UTF-8')
    const seen = known.shapes.get(text)
    if (seen !== undefined) return seen
    const stripped = stripPlainLiterals(text)
    // A key of its own kind: a text can hold '?' itself.
    const key = stripped === undefined || stripped === text ? undefined : `\u0000${stripped}`
    if (key !== undefined) {
      const same = known.shapes.get(key)
      if (same !== undefined && isReadable(text)) return same
    }
    if (!isReadable(text)) return failed('the text is not well-formed UTF-8')
    if (text.length > SHORT && depthBound(text, scan(text)) > deepest) return LATER
    let result: ReturnType<typeof look>
    try {
      result = look(text, parser, { catalogue, searchPath: known.searchPath })
    } catch {
      return failed('the classifier failed on this text')
    }
    const { classified } = result
    // The grammar itself looks at the number in FLOAT(n).
    const shared = result.shared && !/\bfloat\s*\(/i.test(text)
    if (classified.kind !== 'failed')
      known.shapes.set(shared && key !== undefined ? key : text, classified, weightOf(classified))
    return classified
  }

  return {
    classify,
    async classifyLater(text, catalogue, searchPath) {
      const at = classify(text, catalogue, searchPath)
      if (at.kind !== 'failed' || at.later !== true) return at
      if (!isReadable(text)) return failed('the text is not well-formed UTF-8')
      const classified = await (text.length > QUICK ? slow : quick).classify(text, catalogue, searchPath)
      if (classified.kind === 'failed') return classified
      const known = knownFor(catalogue, searchPath)
      if (text.length > atOnce) long.set(text, known, classified)
      else known.shapes.set(text, classified, weightOf(classified))
      return classified
    },
    close() {
      contexts = new Map()
      last = undefined
      long.clear()
      quick.close()
      slow.close()
    },
  }
}

/** Whoever decodes a message has refused bytes that are not UTF-8 (wire/postgres/text.ts); this is for everybody else. */
const isReadable = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

/** What an entry takes besides its key, in characters. */
function weightOf(classified: Classified): number {
  if (classified.kind !== 'statements') return 100
  let weight = classified.normalised.length + 8 * classified.statements.length
  for (const shape of new Set(classified.statements)) {
    weight += 500
    for (const names of [shape.facts.tables, shape.facts.columns, shape.facts.functions]) weight += 16 * names.length
  }
  return weight
}

/** The last long texts, by themselves: a few, and never more than so many characters. */
class LongOnes {
  readonly #most: number
  readonly #kept = new Map<string, { readonly known: Known; readonly classified: Classified }>()
  #characters = 0

  constructor(most: number) {
    this.#most = most
  }

  get(text: string, known: Known): Classified | undefined {
    const kept = this.#kept.get(text)
    return kept?.known === known ? kept.classified : undefined
  }
  set(text: string, known: Known, classified: Classified): void {
    this.#forget(text)
    this.#kept.set(text, { known, classified })
    this.#characters += text.length
    for (const [oldest] of this.#kept) {
      if (this.#characters <= this.#most && this.#kept.size <= MOST_LONG) break
      this.#forget(oldest)
    }
  }
  clear(): void {
    this.#kept.clear()
    this.#characters = 0
  }
  #forget(text: string): void {
    if (this.#kept.delete(text)) this.#characters -= text.length
  }
}
const MOST_LONG = 256
