import { NAMED_VERBS } from '../domain/verb.ts'
import type { NamedVerb } from '../domain/verb.ts'
import { usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'

/** What `--verb` was given: repeated, separated by commas, or both. Each once, in the order given. */
export const verbsOf = (given: readonly string[]): NamedVerb[] =>
  [...new Set(given.flatMap((text) => text.split(',')))].map(verbOf)

function verbOf(text: string): NamedVerb {
  const verb = NAMED_VERBS.find((one) => one === text)
  if (verb === undefined)
    throw usage(`--verb: there is no verb '${oneLine(text)}'`, `Verbs: ${NAMED_VERBS.join(', ')}.`)
  return verb
}
