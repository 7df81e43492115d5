import { parentPort } from 'node:worker_threads'
import { look } from './look.ts'
import { createParser } from './parser.ts'
import { parseSearchPath } from './relations.ts'
import { eachToken } from './scan.ts'
import type { Classified, TargetCatalogue } from './shape.ts'

/** One text for the thread. */
export interface LongText {
  readonly text: string
  /** Undefined: the target's own is not known. */
  readonly version: string | undefined
  /** Set when the thread does not have the catalogue of that version. */
  readonly catalogue: TargetCatalogue | undefined
  /** Versions that are not asked about any more. */
  readonly forget: readonly string[]
  readonly searchPath: string
  /** More tokens than this are not read: their tree would not fit. */
  readonly tokens: number
}

const catalogues = new Map<string, TargetCatalogue>()
const parser = await createParser()

async function classify(asked: LongText): Promise<Classified> {
  for (const version of asked.forget) catalogues.delete(version)
  if (asked.catalogue !== undefined) catalogues.set(asked.catalogue.version, asked.catalogue)
  const catalogue = asked.version === undefined ? undefined : catalogues.get(asked.version)
  if (asked.version !== undefined && catalogue === undefined)
    return { kind: 'failed', message: 'the catalogue of the target was lost on the way to the parser' }
  let tokens = 0
  eachToken(asked.text, () => void tokens++)
  if (tokens > asked.tokens)
    return { kind: 'failed', message: `the text has more than ${asked.tokens.toLocaleString('en-US')} words and signs` }
  await parser.ready()
  try {
    return look(asked.text, parser, { catalogue, searchPath: parseSearchPath(asked.searchPath) }).classified
  } catch (error) {
    const how = error instanceof RangeError ? ': it is nested too deeply' : ''
    return { kind: 'failed', message: `the classifier failed on this text${how}` }
  }
}

parentPort?.on('message', (asked: LongText) => {
  void classify(asked).then((classified) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    parentPort?.postMessage(classified)
  })
})
