/** Names, separated by white space. */
const words = (text: string): readonly string[] => text.trim().split(/\s+/)

/*
 * Parameters that a session may set by itself, each for the reason of its group. They are those that drivers, ORMs,
 * dumps and GUIs send, and their neighbours; every other one is `admin`, by name:
 *
 *   role, session_authorization                     who one is
 *   session_replication_role, event_triggers        whether triggers and rules fire, and foreign keys hold
 *   synchronous_commit, commit_delay, fsync, wal_*  whether what is committed is kept
 *   transform_null_equals                           `x = NULL` finds other rows
 *   backslash_quote, exit_on_error                  nobody sends them; which texts pass, and what an error ends
 *   lo_compat_privileges, createrole_self_grant     who may what, now or by what is made
 *   password_encryption                             what ALTER ROLE keeps
 *   *_preload_libraries, dynamic_library_path       what is loaded
 *   log_*, debug_print_*, trace_*, track_*          what the server writes down, literals among it
 *   client_connection_check_interval                by it the server ends what runs when the gateway has died
 *   allow_*, ignore_*, zero_damaged_pages           repairs
 *   vacuum_*, gin_pending_list_limit                what maintenance leaves behind
 *   a.b                                             extensions; row security policies read those of their own
 */

/** How long something waits, and what happens to a session that does nothing. */
const WAITING = words(`idle_in_transaction_session_timeout idle_session_timeout lock_timeout statement_timeout
  tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout transaction_timeout`)

/** How plans are chosen and run: the same rows, sooner or later. */
const PLANNING = words(`backend_flush_after constraint_exclusion cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost
  cursor_tuple_fraction debug_parallel_query default_statistics_target effective_cache_size effective_io_concurrency
  enable_async_append enable_bitmapscan enable_distinct_reordering enable_gathermerge enable_group_by_reordering
  enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material
  enable_memoize enable_mergejoin enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning
  enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate enable_self_join_elimination
  enable_seqscan enable_sort enable_tidscan force_parallel_mode from_collapse_limit geqo geqo_effort geqo_generations
  geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold gin_fuzzy_search_limit hash_mem_multiplier jit
  jit_above_cost jit_expressions jit_inline_above_cost jit_optimize_above_cost jit_tuple_deforming join_collapse_limit
  maintenance_io_concurrency maintenance_work_mem max_parallel_maintenance_workers max_parallel_workers
  max_parallel_workers_per_gather min_parallel_index_scan_size min_parallel_table_scan_size
  parallel_leader_participation parallel_setup_cost parallel_tuple_cost plan_cache_mode random_page_cost
  recursive_worktable_factor seed seq_page_cost stats_fetch_consistency synchronize_seqscans temp_buffers work_mem`)

/** What is told to the client, and under which name it is listed. */
const TELLING = words(`application_name client_min_messages escape_string_warning lc_messages quote_all_identifiers`)

/** How values look and how literals are read. They are part of the state that an approval is bound to. */
const READING = words(`array_nulls bytea_output client_encoding datestyle default_text_search_config extra_float_digits
  intervalstyle lc_monetary lc_numeric lc_time standard_conforming_strings timezone timezone_abbreviations xmlbinary
  xmloption`)

/**
 * What statements refuse or where they put things, never what they may do: dumps set these. `row_security = off` turns
 * a policy that would leave rows out into an error; it shows no row that `on` hides. `check_function_bodies = off` runs
 * less. The last three are part of the state that an approval is bound to.
 */
const MAKING = words(`default_toast_compression restrict_nonsystem_relation_kind check_function_bodies row_security
  default_table_access_method default_tablespace temp_tablespaces`)

/** What kind of transaction the next one is, and what names mean: both are followed. */
const FOLLOWED = words(`default_transaction_deferrable default_transaction_isolation default_transaction_read_only
  search_path transaction_deferrable transaction_isolation transaction_read_only`)

const HARMLESS: ReadonlySet<string> = new Set([
  ...WAITING,
  ...PLANNING,
  ...TELLING,
  ...READING,
  ...MAKING,
  ...FOLLOWED,
  'holdpoint.reason',
  'holdpoint.run',
])

/** Whether SET, RESET or set_config of this parameter is `connect`; every other one is `admin`. Case does not matter. */
export const isHarmlessSetting = (name: string): boolean => HARMLESS.has(name.toLowerCase())
