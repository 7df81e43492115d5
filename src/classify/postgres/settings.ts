/**
 * Parameters that only steer the session: how values look, how long it waits, how plans are chosen. Left out on
 * purpose: whatever changes who one is (role), what is checked or fired (row_security, session_replication_role,
 * synchronous_commit), what is loaded, what is logged, and every custom `a.b` but our own, because row security
 * policies read those.
 */
const HARMLESS: ReadonlySet<string> = new Set(
  `application_name array_nulls backend_flush_after bytea_output client_connection_check_interval client_encoding client_min_messages
  constraint_exclusion cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost cursor_tuple_fraction datestyle 
  debug_parallel_query default_statistics_target default_text_search_config default_transaction_deferrable
  default_transaction_isolation default_transaction_read_only effective_cache_size effective_io_concurrency
  enable_async_append enable_bitmapscan enable_distinct_reordering enable_gathermerge enable_group_by_reordering
  enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material
  enable_memoize enable_mergejoin enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning
  enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate enable_self_join_elimination
  enable_seqscan enable_sort enable_tidscan escape_string_warning extra_float_digits force_parallel_mode
  from_collapse_limit geqo geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold
  gin_fuzzy_search_limit hash_mem_multiplier idle_in_transaction_session_timeout idle_session_timeout intervalstyle
  jit jit_above_cost jit_expressions jit_inline_above_cost jit_optimize_above_cost jit_tuple_deforming
  join_collapse_limit lc_messages lc_monetary lc_numeric lc_time lock_timeout 
  maintenance_io_concurrency maintenance_work_mem max_parallel_maintenance_workers max_parallel_workers
  max_parallel_workers_per_gather min_parallel_index_scan_size min_parallel_table_scan_size
  parallel_leader_participation parallel_setup_cost parallel_tuple_cost plan_cache_mode quote_all_identifiers
  random_page_cost recursive_worktable_factor restrict_nonsystem_relation_kind search_path seed seq_page_cost
  standard_conforming_strings statement_timeout stats_fetch_consistency synchronize_seqscans tcp_keepalives_count
  tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers timezone timezone_abbreviations
  transaction_deferrable transaction_isolation transaction_read_only transaction_timeout work_mem xmlbinary xmloption
  holdpoint.reason`.split(/\s+/),
)

/** Whether SET, RESET or set_config of this parameter is `connect`; every other one is `admin`. Case does not matter. */
export const isHarmlessSetting = (name: string): boolean => HARMLESS.has(name.toLowerCase())
