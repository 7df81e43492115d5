import type { SqlFacts } from '../../domain/action.ts'
import type { Verb } from '../../domain/verb.ts'

/** What one statement of a text is, found by walking its whole parse tree. */
export interface StatementShape {
  /** Every verb it needs, sorted; `['unknown']` alone when anything in it is not known. */
  readonly verbs: readonly Verb[]
  readonly facts: SqlFacts
  /** Why it is `unknown`, `exec` or `admin`, in words: `function public.lower(text) of the target hides the built-in one`. */
  readonly because?: string
  /** Every function in it is known harmless, so planning it runs nothing: EXPLAIN may be asked. */
  readonly estimable: boolean
  /** What it does to the session. */
  readonly effect: SessionEffect
  readonly copy?: 'in' | 'out'
}

export type SessionEffect =
  | { readonly kind: 'none' }
  /** `commit`: what the transaction did leaves the session, by COMMIT or by PREPARE TRANSACTION. */
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'other_transaction' }
  | { readonly kind: 'savepoint' | 'release' | 'rollback_to'; readonly name: string }
  /** SET or RESET of one harmless parameter; `value` undefined for RESET, DEFAULT, or a value that is not a literal. */
  | { readonly kind: 'set'; readonly name: string; readonly value?: string; readonly local: boolean }
  | { readonly kind: 'reset_all' | 'discard_all' }
  | { readonly kind: 'prepare'; readonly name: string; readonly body: StatementShape }
  | { readonly kind: 'execute'; readonly name: string }
  | { readonly kind: 'deallocate'; readonly name?: string }
  /** Goes on with what the transaction began before: a cursor's or portal's query, by its name, or triggers that were put off. */
  | { readonly kind: 'resumes'; readonly name?: string }
  /** Runs triggers or the like, which may set parameters or make something temporary: read the state again. */
  | { readonly kind: 'fired' }
  /** Made or may have made a temporary object, or changed the session unseen: read the state again. */
  | { readonly kind: 'temporary'; readonly name?: string }
  | { readonly kind: 'unseen' }

/** A whole Query or Parse text. */
export type Classified =
  | {
      readonly kind: 'statements'
      /** Empty for an empty query. */
      readonly statements: readonly StatementShape[]
      /** The text with literals replaced by `?`: the fingerprint, and what the standard record keeps. */
      readonly normalised: string
      /** Byte ranges (UTF-8, of the original text) of literals that are secrets, such as PASSWORD '...'. */
      readonly secrets: readonly { readonly start: number; readonly end: number }[]
    }
  /** The grammar refuses it. The server would too, or knows more than we do: held as unknown. */
  | { readonly kind: 'syntax_error'; readonly message: string }
  /**
   * Too long, too deep, or the parser failed: held as unknown, and says that it was a failure. `later`: it was not
   * tried, because it would take long; ask `classifyLater`.
   */
  | { readonly kind: 'failed'; readonly message: string; readonly later?: true }

/**
 * What the target has beyond PostgreSQL's own catalogue, read by a connection of Holdpoint's own.
 * Part of every classification; the cache of shapes is dropped when `version` moves.
 */
export interface TargetCatalogue {
  readonly version: string
  /** Lower-case names of functions outside pg_catalog, in any schema. One of these in a statement is never harmless. */
  readonly functions: ReadonlySet<string>
  readonly operators: ReadonlySet<string>
  /** `schema.name` to kind, for what is not a plain table: its definition decides. */
  readonly relations: ReadonlyMap<string, RelationFacts>
  /** Type names outside pg_catalog whose use runs nothing of the user's (enums, plain composites). */
  readonly harmlessTypes: ReadonlySet<string>
  /** Types whose use may run user code (domains with checks, base types of extensions). */
  readonly otherTypes: ReadonlySet<string>
  /**
   * The same by object id. A Parse message may give a parameter such a type without naming it, and Bind then runs its
   * checks: hold what does.
   */
  readonly otherTypeOids?: ReadonlySet<number>
  /** Casts implemented by user functions exist: an expression may call one unseen. */
  readonly userCasts: boolean
  /** Functions of well-known extensions that are as harmless as built-in ones. Names that only they have. */
  readonly trustedFunctions?: ReadonlySet<string>
  /** The part of `functions` that takes one argument of any type: `(x).name` calls it. All of them when left out. */
  readonly fieldFunctions?: ReadonlySet<string>
  /** The part of `fieldFunctions` that takes a row: `t.name` calls it. All of them when left out. */
  readonly rowFunctions?: ReadonlySet<string>
  /** The role that sessions sign in as: what `$user` in a search_path stands for. */
  readonly user?: string
  /** The search_path that a fresh session of that role begins with, as the target prints it. */
  readonly searchPath?: string
  /** The target's encoding where it is not UTF-8: then it may read names beyond ASCII otherwise than the parser. */
  readonly encoding?: string
  /** Every relation outside pg_catalog and information_schema by its bare name, with the schemas that have one. */
  readonly schemasOf?: ReadonlyMap<string, readonly string[]>
}

export interface RelationFacts {
  readonly kind: 'table' | 'view' | 'materialized_view' | 'foreign_table' | 'sequence' | 'partitioned_table' | 'other'
  /** Reading it runs only known harmless functions, all the way down (views, row security policies, rules). */
  readonly readIsHarmless: boolean
  /** Planning a change of it runs only known harmless functions (defaults, rules, policies, index expressions). As `readIsHarmless` when left out. */
  readonly planIsHarmless?: boolean
  /**
   * Changing it may run code of the target's own that nobody names: triggers, rules, defaults or checks of it, of its
   * children, or of what foreign keys change with it. That code may leave the session another than it was.
   */
  readonly changeRuns?: true
  /** What a view reads, all the way down, as `schema.table`. */
  readonly reads?: readonly string[]
  /** Why reading it is not harmless, in words. */
  readonly because?: string
  /** The two parts of its key, where a dot in one would make that ambiguous. */
  readonly schema?: string
  readonly name?: string
}

export interface Classifier {
  /**
   * Classify one text. Pure but for its cache. `catalogue` undefined means that the target's own is not known:
   * only names qualified with pg_catalog, or those no target could shadow, are trusted; functions are unknown.
   * @param text UTF-8 text of the message, without the closing NUL.
   * @param searchPath the session's effective search_path as the target prints it.
   */
  classify(text: string, catalogue: TargetCatalogue | undefined, searchPath: string): Classified
  /** The same, and a long or deep text is read too, by a thread. Never rejects, and remembers what it found. */
  classifyLater(text: string, catalogue: TargetCatalogue | undefined, searchPath: string): Promise<Classified>
  close(): void
}
