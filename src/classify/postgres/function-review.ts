import type { NamedVerb } from '../../domain/verb.ts'

/**
 * The hand-kept half of the list of harmless built-in functions. scripts/generate-harmless-functions.ts takes
 * what PostgreSQL itself declares immutable or stable, adds `HARMLESS_VOLATILE`, takes away `NOT_HARMLESS`, and
 * writes harmless-functions.generated.ts. Harmless means: leaves no trace (rows, sequences, locks, settings,
 * notifications, files, other sessions), reads nothing but its arguments, the catalogue, statistics and the
 * server's own state, and runs no text, type or function that its arguments only name.
 */

/** Volatile by declaration, and harmless all the same: reviewed one by one, by what their documentation says they do. */
export const HARMLESS_VOLATILE: readonly string[] = [
  'array_sample',
  'array_shuffle',
  'clock_timestamp',
  'current_query',
  'currval',
  'gen_random_uuid',
  'lastval',
  // Lets go of what DISCARD ALL lets go of, too; drivers' pools send it.
  'pg_advisory_unlock_all',
  'pg_blocking_pids',
  'pg_collation_actual_version',
  'pg_current_wal_flush_lsn',
  'pg_current_wal_insert_lsn',
  'pg_current_wal_lsn',
  'pg_database_collation_actual_version',
  'pg_database_size',
  'pg_get_sequence_data',
  'pg_get_wait_events',
  'pg_get_wal_replay_pause_state',
  'pg_indexes_size',
  'pg_is_in_recovery',
  'pg_is_wal_replay_paused',
  'pg_jit_available',
  'pg_last_committed_xact',
  'pg_last_wal_receive_lsn',
  'pg_last_wal_replay_lsn',
  'pg_last_xact_replay_timestamp',
  'pg_lock_status',
  'pg_notification_queue_usage',
  'pg_partition_ancestors',
  'pg_partition_tree',
  'pg_prepared_xact',
  'pg_relation_size',
  'pg_safe_snapshot_blocking_pids',
  'pg_sequence_last_value',
  'pg_stat_get_backend_io',
  'pg_stat_get_backend_wal',
  'pg_stat_get_io',
  'pg_stat_get_recovery_prefetch',
  'pg_stat_get_xact_blocks_fetched',
  'pg_stat_get_xact_blocks_hit',
  'pg_stat_get_xact_function_calls',
  'pg_stat_get_xact_function_self_time',
  'pg_stat_get_xact_function_total_time',
  'pg_stat_get_xact_numscans',
  'pg_stat_get_xact_tuples_deleted',
  'pg_stat_get_xact_tuples_fetched',
  'pg_stat_get_xact_tuples_hot_updated',
  'pg_stat_get_xact_tuples_inserted',
  'pg_stat_get_xact_tuples_newpage_updated',
  'pg_stat_get_xact_tuples_returned',
  'pg_stat_get_xact_tuples_updated',
  'pg_stat_have_stats',
  'pg_table_size',
  'pg_tablespace_size',
  'pg_total_relation_size',
  'pg_xact_commit_timestamp',
  'pg_xact_commit_timestamp_origin',
  'pg_xact_status',
  'random',
  'random_normal',
  'timeofday',
  'txid_status',
  'uuidv4',
  'uuidv7',
]

/**
 * Immutable or stable by declaration, and not harmless. `name` for every overload, `name/2` for those that take
 * two arguments. The type input functions take an oid and would run a domain's checks.
 */
export const NOT_HARMLESS: readonly string[] = [
  // Read tables, or run a query, that their arguments only name.
  'table_to_xml',
  'table_to_xmlschema',
  'table_to_xml_and_xmlschema',
  'schema_to_xml',
  'schema_to_xmlschema',
  'schema_to_xml_and_xmlschema',
  'database_to_xml',
  'database_to_xmlschema',
  'database_to_xml_and_xmlschema',
  'query_to_xml',
  'query_to_xmlschema',
  'query_to_xml_and_xmlschema',
  'cursor_to_xml',
  'cursor_to_xmlschema',
  'ts_stat',
  'ts_rewrite/2',
  // Assign a transaction id.
  'txid_current',
  'pg_current_xact_id',
  // Run the input function, and so the checks, of a type that an argument only names.
  'pg_input_is_valid',
  'pg_input_error_info',
  'domain_in',
  'domain_recv',
  'array_in',
  'array_recv',
  'record_in',
  'record_recv',
  'range_in',
  'range_recv',
  'multirange_in',
  'multirange_recv',
  'anyarray_in',
  'anyarray_recv',
  'anycompatiblearray_in',
  'anycompatiblearray_recv',
  'anyrange_in',
  'anymultirange_in',
  'anycompatiblerange_in',
  'anycompatiblemultirange_in',
  'anyenum_in',
  // Hashes its arguments with the functions of a table's partition key.
  'satisfies_hash_partition',
  // Parse or check code.
  'fmgr_c_validator',
  'fmgr_internal_validator',
  'fmgr_sql_validator',
  // Say something only inside an event trigger.
  'pg_event_trigger_ddl_commands',
  'pg_event_trigger_dropped_objects',
  'pg_event_trigger_table_rewrite_oid',
  'pg_event_trigger_table_rewrite_reason',
  // List or read files of the server.
  'pg_show_all_file_settings',
  'pg_hba_file_rules',
  'pg_ident_file_mappings',
]

const WRITES = /^(?:nextval|setval|pg_(?:try_)?advisory_.*|pg_notify|txid_current|pg_current_xact_id)$/
const ADMINISTERS = new RegExp(
  '^(?:pg_read_.*|pg_ls_.*|pg_stat_file|lo_import|lo_export|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|' +
    'pg_rotate_logfile|pg_promote|pg_wal_replay_.*|pg_.*_slot.*|pg_logical_slot_.*|pg_replication_origin_.*|pg_switch_wal|' +
    'pg_backup_.*|pg_start_backup|pg_stop_backup|pg_create_.*|binary_upgrade_.*|pg_log_.*|pg_hba_file_rules|' +
    'pg_ident_file_mappings|pg_show_all_file_settings|pg_import_system_collations|pg_restore_.*|pg_clear_.*|' +
    'pg_stat_reset.*|pg_control_.*|pg_current_logfile|pg_.*wal_summar.*|pg_logical_emit_message|' +
    'pg_sync_replication_slots|pg_stop_making_pinned_objects|pg_file_.*|pg_logdir_ls|pg_export_snapshot|set_config|dblink.*|postgres_fdw_.*)$',
)

/** The verb of a function that is not known to be harmless: what it is, as far as its name says; otherwise `exec`. */
export function verbOfFunction(name: string): NamedVerb {
  if (WRITES.test(name)) return 'write'
  if (ADMINISTERS.test(name)) return 'admin'
  return 'exec'
}
