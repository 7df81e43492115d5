import type { SessionEffect, TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { SessionState } from '../../domain/request/request.ts'
import { readRun } from '../../domain/policy/run.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import { MEANINGFUL_SETTINGS } from '../../domain/request/session-settings.ts'

/** Parameters whose value gives a statement its meaning, and which the target does not always report by itself. */
const MEANINGFUL = new Set(['search_path', 'role', 'session_authorization'])

/**
 * Everything that gives a text its meaning, asked in one row. Names and operators are qualified: the session's own
 * search path may hide any of them. The last but three asks nothing: RESET ALL and DISCARD ALL take back what
 * connect-target.ts has set, by which the server ends what runs when this process has died. The last is what `LIFT`,
 * which stands before every such look, has found.
 */
export const STATE_QUERY = `SELECT pg_catalog.current_setting('search_path'), current_user::pg_catalog.text,
 pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('TimeZone'),
 pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.current_setting('holdpoint.reason', true),
 pg_catalog.array_to_json(ARRAY(
   SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c
   WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() AND c.relkind OPERATOR(pg_catalog.<>) 'i'
   UNION ALL
   SELECT pg_catalog.concat(p.proname, '()') FROM pg_catalog.pg_proc p
   WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()))::pg_catalog.text,
 (EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
    AND (c.relkind OPERATOR(pg_catalog.=) 'v' OR c.relkind OPERATOR(pg_catalog.=) 'f' OR c.relhasrules OR c.relhastriggers OR c.relrowsecurity))
  OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
    AND (t.typtype OPERATOR(pg_catalog.=) 'd' OR t.typtype OPERATOR(pg_catalog.=) 'r'))
  OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
  OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()))::pg_catalog.text,
 pg_catalog.array_to_json(ARRAY(SELECT pg_catalog.json_build_array(s.name, s.statement)
   FROM pg_catalog.pg_prepared_statements s))::pg_catalog.text,
 (SELECT pg_catalog.json_object_agg(n, pg_catalog.current_setting(n, true)) FROM pg_catalog.unnest('{${Object.keys(MEANINGFUL_SETTINGS).join(',')}}'::pg_catalog.text[]) n)::pg_catalog.text,
 CASE WHEN pg_catalog.current_setting('client_connection_check_interval') OPERATOR(pg_catalog.=) '0'
   AND pg_catalog.version() OPERATOR(pg_catalog.!~*) 'windows|mingw|visual c'
   THEN pg_catalog.set_config('client_connection_check_interval', '1s', false) END,
 pg_catalog.current_setting('holdpoint.run', true), pg_catalog.pg_backend_pid()::pg_catalog.text,
 pg_catalog.current_setting('holdpoint.timeout', true)`

/** Takes the session's statement_timeout away from what follows in the transaction; `LOWER` puts it back. */
export const LIFT = `SELECT pg_catalog.set_config('holdpoint.timeout', pg_catalog.current_setting('statement_timeout'), true),
 pg_catalog.set_config('statement_timeout', '0', true)`
/** Where the transaction was rolled back in between there is nothing to put back. */
export const LOWER = `SELECT pg_catalog.set_config('statement_timeout', t, true)
 FROM (SELECT pg_catalog.current_setting('holdpoint.timeout', true) AS t) s WHERE t OPERATOR(pg_catalog.<>) ''`
/** A question of the gateway's own is to have at least so long. */
const LONG_ENOUGH_MS = 5_000
const IN_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
function isShort(timeout: string): boolean {
  const [, number = '0', unit = 'ms'] = /^(\d+)(ms|s|min|h|d)?$/.exec(timeout) ?? []
  return number !== '0' && Number(number) * (IN_MS[unit] ?? 1) < LONG_ENOUGH_MS
}

/**
 * What a target reports by itself when it changes, whoever changed it: who one is there, what names mean (from 18 on),
 * and how values read. A change that nobody here has followed is looked at before the next statement is decided.
 */
const REPORTED = new Set(['session_authorization', 'is_superuser', 'search_path', 'DateStyle', 'IntervalStyle'])

/** Undefined for what is not JSON: the target is not trusted to answer what it was asked. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A catalogue that was looked at longer ago is looked at again. */
const FRESH_MS = 2_000

/** What the gateway knows of the session on the target. Whenever it may be wrong it is `stale`, and read again. */
export class TargetState {
  readonly database: string
  role = ''
  searchPath = ''
  encoding = ''
  timeZone = ''
  standardConformingStrings = true
  temporaryObjects: readonly string[] = []
  /** Temporary views, functions, types or the like exist: they may hide a known name and run code in its place. */
  temporaryCode = false
  /** Given by the client, told to reviewers. */
  reason: string | undefined
  /** `MEANINGFUL_SETTINGS`, as last read. */
  settings: Readonly<Record<string, string>> = {}
  /** The verbs of the run that the client has declared. */
  run: readonly NamedVerb[] | undefined
  /** Must be read again before the next statement is decided. */
  stale = true
  /** Settings that no name depends on may be others: must be read again before anything is shown to people. */
  unsure = true
  /** The session's statement_timeout was short, as last read. */
  #short = false
  /** The target's own catalogue may have changed through this session. */
  catalogueStale = false
  /** It did, in a transaction that is still open: no other connection sees how, so no name is trusted until it ends. */
  catalogueOpen = false
  /** The catalogue as this session sees it in that transaction; undefined where it could not be read. */
  ownCatalogue: TargetCatalogue | undefined
  /** Monotonic time at which it was read. */
  #ownSeenAt = 0
  /** Something that may have changed the catalogue was sent since the target was last seen outside of a transaction. */
  changedInside = false
  /** The backend that answers. Behind a pooler that hands it to others between transactions, it would change. */
  #backend: string | undefined
  /** As the target reported it last. */
  readonly #reported = new Map<string, string>()
  /** A parameter was set inside a transaction: its end may put the old value back. */
  #setInside = false
  /** One that gives texts their meaning was, or may have been. */
  #meaningInside = false

  constructor(database: string) {
    this.database = database
  }

  /** Something was done whose effect is only known by looking. */
  doubt(): void {
    this.catalogueStale = true
    this.changedInside = true
    this.#look()
  }

  /** The same where the catalogue is not touched. */
  #look(): void {
    this.stale = true
    this.unsure = true
    this.#setInside = true
    this.#meaningInside = true
  }

  /** Looked at inside the transaction. @param own undefined: no name is trusted before it ends. */
  sawInside(own: TargetCatalogue | undefined): void {
    this.catalogueOpen = true
    this.ownCatalogue = own
    this.#ownSeenAt = performance.now()
    this.catalogueStale = false
  }
  /** Whether what was looked at inside is too old to be trusted. Costs nothing where nothing was. */
  get ownIsOld(): boolean {
    return this.catalogueOpen && this.ownCatalogue !== undefined && performance.now() - this.#ownSeenAt > FRESH_MS
  }

  /** Whether the client's own statement_timeout may be too short for questions of the gateway's. */
  get hurried(): boolean {
    return this.#short || this.stale || this.unsure
  }

  /** What is still under way may change what texts mean: let it end before the next one is decided. */
  get unsettled(): boolean {
    return this.#meaningInside
  }

  /**
   * The target has ended a transaction, said or unsaid.
   * @param quiet and has answered everything that was sent.
   */
  transactionOver(quiet: boolean): void {
    if (this.#meaningInside) this.stale = true
    if (this.#setInside) this.unsure = true
    if (quiet) this.changedInside = false
    // What others see is looked at again.
    if (this.catalogueOpen) this.catalogueStale = true
  }

  /** What a statement that is being sent does to the session. `changes`: it needs a verb that may change anything. */
  follow(effect: SessionEffect, changes: boolean): void {
    if (changes) this.doubt()
    switch (effect.kind) {
      case 'set':
        if (effect.name.toLowerCase() === 'holdpoint.reason') {
          this.reason = effect.value === '' ? undefined : effect.value
          if (effect.value === undefined) this.stale = true
        }
        if (effect.name.toLowerCase() === 'holdpoint.run') {
          this.run = effect.value === undefined ? undefined : readRun(effect.value)
        }
        if (MEANINGFUL.has(effect.name.toLowerCase())) {
          this.stale = true
          this.#meaningInside = true
        }
        this.#setInside = true
        this.unsure = true
        break
      case 'reset_all':
      case 'discard_all':
        this.reason = undefined
        this.stale = true
        this.unsure = true
        this.#setInside = true
        this.#meaningInside = true
        break
      case 'commit':
      case 'rollback':
      case 'savepoint':
      case 'release':
      case 'rollback_to':
        // It may take back what the session has done to the catalogue.
        if (effect.kind === 'rollback_to' && this.changedInside) this.catalogueStale = true
        if (this.#setInside) this.stale = this.unsure = true
        break
      case 'other_transaction':
        if (this.#setInside) this.stale = this.unsure = true
        break
      case 'temporary':
      case 'unseen':
        this.doubt()
        break
      case 'fired':
        this.#look()
        break
      case 'resumes':
        if (this.changedInside) this.doubt()
        else if (this.#meaningInside) this.#look()
        break
      case 'none':
      case 'begin':
      case 'prepare':
      case 'execute':
      case 'deallocate':
        break
      default:
        effect satisfies never
    }
  }

  /** A statement failed: what it or its transaction had set may be undone. */
  failed(): void {
    if (this.#setInside) this.stale = this.unsure = true
  }

  /** The target reports a parameter. Answers in words when the session cannot go on with it. */
  report(name: string, value: string): string | undefined {
    if (REPORTED.has(name)) {
      if (this.#reported.get(name) !== value) this.stale = true
      this.#reported.set(name, value)
    }
    if (name === 'TimeZone') this.timeZone = value
    if (name === 'client_encoding') {
      this.encoding = value
      // The target keeps the old name as it was given (check_client_encoding in variable.c); psycopg2 sets it.
      if (!/^(utf8|unicode)$/i.test(value)) return `client_encoding became ${value}; only UTF8 is understood here`
    }
    if (name === 'standard_conforming_strings') {
      this.standardConformingStrings = value === 'on'
      if (value !== 'on')
        return 'standard_conforming_strings was turned off; string literals would be read differently here'
    }
    return undefined
  }

  /** Takes in the one row of STATE_QUERY. False when it is not what was asked for. */
  read(row: readonly (string | null)[] | undefined, inTransaction: boolean): boolean {
    const [searchPath, role, encoding, timeZone, strings, reason, objects, code, , settings, , run, backend, timeout] =
      row ?? []
    if (typeof searchPath !== 'string' || typeof role !== 'string' || typeof encoding !== 'string') return false
    if (typeof timeZone !== 'string' || typeof strings !== 'string' || typeof objects !== 'string') return false
    // INVARIANT: whatever is known of a session is known of its backend.
    if (typeof backend === 'string' && (this.#backend ??= backend) !== backend) return false
    this.searchPath = searchPath
    this.role = role
    this.encoding = encoding
    this.timeZone = timeZone
    this.standardConformingStrings = strings === 'on'
    const names = readJson(objects)
    if (!Array.isArray(names)) return false
    const listed = readJson(settings ?? '')
    if (typeof listed !== 'object' || listed === null || Array.isArray(listed)) return false
    // What this server does not know is null.
    this.settings = Object.fromEntries(Object.entries(listed).filter(([, value]) => typeof value === 'string'))
    this.temporaryObjects = names.map(String)
    this.temporaryCode = code !== 'false'
    if (typeof reason === 'string' && reason !== '') this.reason = reason
    this.run = typeof run === 'string' ? readRun(run) : undefined
    this.#short = typeof timeout === 'string' && isShort(timeout)
    this.stale = false
    this.unsure = false
    if (!inTransaction) {
      this.#setInside = false
      this.#meaningInside = false
    }
    return true
  }

  snapshot(inTransaction: boolean): SessionState {
    return {
      database: this.database,
      role: this.role,
      searchPath: this.searchPath,
      encoding: this.encoding,
      timeZone: this.timeZone,
      standardConformingStrings: this.standardConformingStrings,
      inTransaction,
      temporaryObjects: this.temporaryObjects,
      settings: this.settings,
    }
  }
}
