import type { RelationFacts, TargetCatalogue } from './shape.ts'
import type { Judged } from './functions.ts'

/** Views of pg_catalog whose functions are not on the list, some of which read files, and tables that hold what no reader of tables should get. */
const SYSTEM: ReadonlyMap<string, 'admin' | 'exec'> = new Map([
  ['pg_authid', 'admin'],
  ['pg_shadow', 'admin'],
  ['pg_hba_file_rules', 'admin'],
  ['pg_ident_file_mappings', 'admin'],
  ['pg_file_settings', 'admin'],
  // Passwords of foreign servers.
  ['pg_user_mapping', 'admin'],
  ['_pg_user_mappings', 'admin'],
  ['user_mapping_options', 'admin'],
  ['pg_largeobject', 'exec'],
  ['pg_aios', 'exec'],
  ['pg_backend_memory_contexts', 'exec'],
  ['pg_replication_origin_status', 'exec'],
  ['pg_shmem_allocations', 'exec'],
  ['pg_shmem_allocations_numa', 'exec'],
])

/** Whether reading this relation of pg_catalog is `read`. */
export const isOrdinary = (name: string): boolean => !SYSTEM.has(name)

export interface Resolved {
  /** `schema.name` where the schema is known, otherwise the bare name. */
  readonly name: string
  readonly judged: Judged
  /** Planning a change of it runs only what is known. */
  readonly planIsHarmless: boolean
  /** Changing it may run code of the target's own, which may leave the session another than it was. */
  readonly changeRuns: boolean
  readonly reads: readonly string[]
  /** PostgreSQL's own: pg_catalog or information_schema. */
  readonly system: boolean
}

interface Index {
  readonly facts: ReadonlyMap<string, readonly { readonly schema: string; readonly facts: RelationFacts }[]>
}
const indexes = new WeakMap<TargetCatalogue, Index>()

function indexOf(catalogue: TargetCatalogue): Index {
  const found = indexes.get(catalogue)
  if (found !== undefined) return found
  const facts = new Map<string, { schema: string; facts: RelationFacts }[]>()
  for (const [qualified, one] of catalogue.relations) {
    const dot = qualified.indexOf('.')
    const name = one.name ?? qualified.slice(dot + 1)
    const list = facts.get(name) ?? []
    list.push({ schema: one.schema ?? qualified.slice(0, dot), facts: one })
    facts.set(name, list)
  }
  const index = { facts }
  indexes.set(catalogue, index)
  return index
}

/**
 * A server whose encoding has one byte a character folds letters beyond ASCII too (downcase_identifier), which the
 * parser does not: such a name is judged by both.
 */
function factsOf(
  name: string,
  catalogue: TargetCatalogue,
): readonly { readonly schema: string; readonly facts: RelationFacts }[] {
  const { facts } = indexOf(catalogue)
  const exact = facts.get(name) ?? []
  const folded = name.toLowerCase()
  return folded === name || isAscii(name) ? exact : [...exact, ...(facts.get(folded) ?? [])]
}
const isAscii = (text: string): boolean => Buffer.byteLength(text) === text.length

/** Bytes of an identifier from which on a server may cut it where the parser does not (NAMEDATALEN - 1 is 63, and one letter has up to 4). */
const MAY_BE_CUT = 60
/**
 * Whether the target may read another name than the parser did: its encoding is not UTF-8, so that it folds letters
 * beyond ASCII, and cuts long names at another place.
 */
export const isDoubtful = (name: string, catalogue: TargetCatalogue | undefined): boolean =>
  catalogue?.encoding !== undefined &&
  !isAscii(name) &&
  (Buffer.byteLength(name) >= MAY_BE_CUT || name !== name.toLowerCase())
export const doubtOf = (name: string): string => `${name} may be another name in the encoding of the target`

/** The schemas of a search_path as SHOW prints it: `"$user", public`. */
export function parseSearchPath(text: string): string[] {
  return [...text.matchAll(/"((?:[^"]|"")*)"|([^,\s"]+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  )
}

/** A temporary relation of that name would come first; whose session has one is not to be seen from here, and its name would say less. */
function schemaOf(name: string, catalogue: TargetCatalogue, path: readonly string[]): string | undefined {
  const schemas = catalogue.schemasOf?.get(name) ?? []
  return path
    .map((schema) => (schema === '$user' ? (catalogue.user ?? schema) : schema))
    .find((schema) => schemas.includes(schema))
}

/** `schema.name` where that can be known, for a statement that names a relation without reading it. */
export function nameRelation(
  schema: string | undefined,
  name: string,
  catalogue: TargetCatalogue | undefined,
  path: readonly string[],
): string {
  const at = schema ?? (catalogue === undefined ? undefined : schemaOf(name, catalogue, path))
  return at === undefined ? name : `${at}.${name}`
}

/**
 * What a name in FROM, or the target of a change, is. An unqualified name is judged by every relation of that name in
 * any schema, so that no search path can make it another one.
 */
export function resolveRelation(
  schema: string | undefined,
  name: string,
  catalogue: TargetCatalogue | undefined,
  path: readonly string[],
): Resolved {
  const harmless: Judged = { kind: 'harmless' }
  const system = schema === 'pg_catalog' || schema === 'information_schema'
  const shown = schema === undefined ? name : `${schema}.${name}`
  const other = (verb: 'exec' | 'admin' | 'unknown', because: string, resolved = shown): Resolved => ({
    name: resolved,
    judged: { kind: 'other', verb, because },
    planIsHarmless: false,
    changeRuns: true,
    reads: [],
    system,
  })
  if (isDoubtful(name, catalogue)) return other('exec', doubtOf(name))
  if (catalogue === undefined) {
    const forbidden = SYSTEM.get(name)
    if (forbidden !== undefined) return other(forbidden, `${shown} is not an ordinary table`)
    return system
      ? { name: shown, judged: harmless, planIsHarmless: true, changeRuns: false, reads: [], system }
      : other('unknown', `the target's own relations are not known, and ${shown} may be a view`)
  }
  const all = factsOf(name, catalogue)
  const exact = schema !== undefined && !schema.startsWith('pg_temp')
  const candidates = exact ? all.filter((one) => one.schema === schema) : all
  const shadowed = (catalogue.schemasOf?.get(name)?.length ?? 0) > 0
  const isSystem = system || (schema === undefined && name.startsWith('pg_') && !shadowed && candidates.length === 0)
  if (isSystem && candidates.length === 0) {
    const forbidden = SYSTEM.get(name)
    const resolved = system ? shown : `pg_catalog.${name}`
    if (forbidden !== undefined)
      return { ...other(forbidden, `${resolved} is not an ordinary table`, resolved), system: true }
    return { name: resolved, judged: harmless, planIsHarmless: true, changeRuns: false, reads: [], system: true }
  }
  const at = schema ?? schemaOf(name, catalogue, path)
  const resolved = at === undefined ? name : `${at}.${name}`
  if (schema === undefined && SYSTEM.has(name)) return other('admin', `${shown} is not an ordinary table`, resolved)
  const bad = candidates.find((one) => !one.facts.readIsHarmless)
  const reads = candidates
    .filter((one) => at === undefined || one.schema === at)
    .flatMap((one) => one.facts.reads ?? [])
  const planIsHarmless = candidates.every((one) => one.facts.planIsHarmless ?? one.facts.readIsHarmless)
  const changeRuns = candidates.some((one) => one.facts.changeRuns === true)
  if (bad !== undefined) {
    const because =
      bad.facts.because ?? `reading ${bad.schema}.${name} may run functions that are not known to be harmless`
    const judged: Judged = { kind: 'other', verb: 'exec', because }
    return { name: resolved, judged, planIsHarmless: false, changeRuns, reads, system }
  }
  return { name: resolved, judged: harmless, planIsHarmless, changeRuns, reads, system }
}
