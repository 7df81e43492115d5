/** The closed list of verbs (docs/concepts.md). `unknown` is what a gateway could not classify: always held. */
export const VERBS = [
  'connect',
  'read',
  'write',
  'delete',
  'schema',
  'export',
  'exec',
  'shell',
  'forward',
  'transfer',
  'admin',
  'run',
  'apply',
  'assume',
  'unknown',
] as const
export type Verb = (typeof VERBS)[number]

/** Verbs that a rule or a request may name: everything but `unknown`, which no rule can allow. */
export type NamedVerb = Exclude<Verb, 'unknown'>
export const NAMED_VERBS = VERBS.filter((verb): verb is NamedVerb => verb !== 'unknown')

const known: ReadonlySet<string> = new Set(VERBS)
export const isVerb = (text: string): text is Verb => known.has(text)

/** The verb that weighs most first. `unknown` may be anything, so it outweighs all. */
const BY_WEIGHT: readonly Verb[] = [
  'unknown',
  'admin',
  'exec',
  'shell',
  'schema',
  'delete',
  'write',
  'export',
  'transfer',
  'apply',
  'run',
  'assume',
  'forward',
  'read',
  'connect',
]

/** The one verb that names what several together are. Undefined for none. */
export const strongest = (verbs: readonly Verb[]): Verb | undefined => BY_WEIGHT.find((verb) => verbs.includes(verb))
