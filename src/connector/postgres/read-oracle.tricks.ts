/**
 * Statements of every kind that look like reads, are reads in an unusual way, or hide what they do: on every server at
 * hand, whichever of them are classified `read` or `connect` are run, and must leave no trace. What the server refuses
 * is as good.
 */
export const TRICKS: readonly string[] = String.raw`
select carts.evil from carts
select x.evil from (values (1)) x(y)
select (1).evil
select ((select 1)).evil
select (array[1])[1].evil
select x.nextval from cast('numbers' as regclass) x
select x.nextval from regclass('numbers') x
select x.pg_advisory_lock from generate_series(5::bigint, 6) x
select x.pg_notify from generate_series(1, 2) x
select (x).pg_advisory_lock from generate_series(5::bigint, 6) x
select x.lo_creat from generate_series(1, 2) x
select x.lo_unlink from cast(5 as oid) x
select x.txid_current from (values (1)) x(y)
select (5).txid_current
select treat('numbers'::regclass as nextval)
select treat(5 as pg_advisory_lock)
select treat(5::bigint as pg_advisory_lock)
select treat('x' as checked)
select current_setting('work_mem'), set_config('work_mem', '5MB', true)
select * from set_config('work_mem', '5MB', false)
select * from set_config('work_mem', '5MB', false) with ordinality
select case when set_config('search_path', 'trap', false) = 'x' then 1 end
select count(set_config('statement_timeout', '0', false)) from carts
select set_config(setting_name => 'role', new_value => 'super', is_local => false)
select set_config(name, '1', true) from pg_settings where name = 'log_statement'
select set_config(name, '1', true) from pg_settings where name = 'work_mem' or true
select set_config(s.name, 'on', false) from pg_settings s where s.name = 'row_security'
select set_config('holdpoint.reason', 'x', false)
select pg_catalog.set_config('is_superuser', 'on', false)
select set_config('session_authorization', 'super', false)
select set_config('search_path', 'trap, public', false); select lower('x')
select "set_config"('role', 'super', false)
select pg_catalog . set_config ( 'role' , 'super' , true )
select U&"set\005fconfig"('role', 'super', true)
select U&"\006e\0065xtval"('numbers')
select "nextval"('numbers')
select nextVAL('numbers')
select pg_catalog."nextval"('numbers')
select "pg_catalog"."nextval"('numbers')
select holdpoint.pg_catalog.nextval('numbers')
select public.nextval('numbers')
select information_schema.nextval('numbers')
select trap.lower('x')
select nextval(('numbers'::text)::regclass)
select nextval(format('%s', 'numbers'))
select nextval('public.numbers'), 1
select nextval('"numbers"')
select lastval()
select currval('numbers')
select coalesce((select 1), nextval('numbers'))
select array(select nextval('numbers') from generate_series(1, 3))
select sum(nextval('numbers')) over () from carts
select * from generate_series(1, nextval('numbers'))
select * from carts where id < nextval('numbers')
select * from carts limit nextval('numbers')
select last_value, is_called from numbers
select * from pg_sequences
select pg_sequence_last_value('numbers')
select pg_sequence_parameters('numbers'::regclass)
select pg_get_sequence_data('numbers')
select random(), random(1, 5), random_normal()
select setseed(0.1)
select gen_random_uuid(), uuidv7(), uuidv4()
select clock_timestamp(), statement_timestamp(), transaction_timestamp(), timeofday()
select txid_current_if_assigned(), pg_current_xact_id_if_assigned()
select txid_current_snapshot(), pg_current_snapshot()
select txid_visible_in_snapshot(1, txid_current_snapshot())
select txid_status(1)
select pg_export_snapshot()
select pg_backend_pid(), pg_postmaster_start_time(), pg_conf_load_time()
select pg_reload_conf()
select pg_rotate_logfile()
select pg_cancel_backend(pid) from pg_stat_activity where false
select pg_terminate_backend(0)
select pg_log_backend_memory_contexts(pg_backend_pid())
select pg_sleep(0)
select pg_sleep_for('0 s')
select pg_sleep_until(now())
select pg_stat_reset()
select pg_stat_reset_shared('bgwriter')
select pg_stat_reset_slru('Notify')
select pg_stat_reset_single_table_counters('carts'::regclass)
select pg_stat_reset_single_function_counters(0)
select pg_stat_clear_snapshot()
select pg_stat_force_next_flush()
select pg_create_restore_point('x')
select pg_switch_wal()
select pg_current_wal_lsn()
select pg_walfile_name('0/1')
select pg_logical_emit_message(false, 'a', 'b')
select pg_logical_emit_message(true, 'a', 'b')
select pg_create_physical_replication_slot('s')
select pg_create_logical_replication_slot('s', 'pgoutput')
select pg_drop_replication_slot('s')
select pg_replication_origin_create('o')
select pg_replication_origin_session_setup('o')
select pg_replication_slot_advance('s', '0/1')
select * from pg_replication_slots
select * from pg_get_replication_slots()
select pg_start_backup('x')
select pg_backup_start('x')
select pg_promote()
select pg_wal_replay_pause()
select pg_is_in_recovery(), pg_is_wal_replay_paused()
select pg_read_file('postgresql.conf')
select pg_read_file('/etc/passwd', 0, 10)
select pg_read_binary_file('PG_VERSION')
select pg_stat_file('.')
select * from pg_ls_dir('.')
select * from pg_ls_waldir()
select * from pg_ls_logdir()
select * from pg_ls_tmpdir()
select * from pg_ls_archive_statusdir()
select * from pg_ls_logicalsnapdir()
select pg_current_logfile()
select * from pg_hba_file_rules
select * from pg_hba_file_rules()
select * from pg_ident_file_mappings
select * from pg_file_settings
select * from pg_show_all_file_settings()
select * from pg_shadow
select * from pg_authid
select rolpassword from pg_catalog.pg_authid
select a from pg_authid a
select * from pg_roles
select usename, passwd from pg_user
select passwd from pg_catalog.pg_shadow
select * from pg_largeobject
select * from pg_largeobject_metadata
select lo_get(0)
select lo_open(0, 131072)
select loread(0, 5)
select lo_import('/etc/passwd')
select lo_export(0, '/tmp/x')
select lo_creat(-1)
select lo_create(0)
select lo_put(0, 0, 'x')
select lo_from_bytea(0, 'x')
select lo_unlink(0)
select lo_lseek64(0, 0, 0)
select pg_advisory_lock(1)
select pg_advisory_xact_lock(1)
select pg_try_advisory_lock(1)
select pg_try_advisory_xact_lock_shared(1, 2)
select pg_advisory_unlock(1)
select pg_advisory_unlock_all()
select pg_notify('everything', 'x')
select pg_listening_channels()
select pg_notification_queue_usage()
select brin_summarize_new_values('carts_pkey'::regclass)
select brin_summarize_range('carts_pkey'::regclass, 0)
select gin_clean_pending_list('carts_pkey'::regclass)
select pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')
select binary_upgrade_set_next_pg_type_oid(5)
select pg_import_system_collations('public')
select pg_collation_actual_version(100)
select pg_stop_making_pinned_objects()
select pg_set_relation_stats('relation', 'carts')
select pg_restore_relation_stats('schemaname', 'public', 'relname', 'carts', 'relpages', 5)
select pg_clear_relation_stats('public', 'carts')
select pg_restore_attribute_stats('schemaname', 'public', 'relname', 'carts', 'attname', 'id', 'inherited', false, 'null_frac', 0.5::real)
select x.pg_restore_relation_stats from (values ('relation')) x(y)
select pg_ls_dir('pg_snapshots')
select query_to_xml('select nextval(''numbers'')', true, true, '')
select cursor_to_xml('c', 1, true, true, '')
select table_to_xml('carts', true, true, '')
select database_to_xml_and_xmlschema(true, true, '')
select xpath('/a', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
select xmlparse(document '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
select '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'::xml
select * from xmltable('/a' passing '<a>1</a>' columns x int path '.', y for ordinality)
select * from xmltable(xmlnamespaces('http://a' as a), '/a:a' passing '<a xmlns="http://a"/>' columns x xml path '.')
select xml_is_well_formed('<a/>'), xpath_exists('/a', '<a/>')
select to_tsvector('english', note) from carts
select ts_rank(to_tsvector(note), to_tsquery('note')) from carts
select ts_headline('english', note, to_tsquery('note')) from carts
select ts_lexize('simple', 'x'), ts_debug('english', 'x'), ts_parse('default', 'x'), ts_token_type('default')
select * from ts_stat('select to_tsvector(note) from carts')
select ts_rewrite('a'::tsquery, 'a', 'b')
select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')
select 'carts'::regclass, 'now'::regproc, 'lower(text)'::regprocedure, '=(int,int)'::regoperator, 'public'::regnamespace, 'english'::regconfig
select 'evil_view'::regclass::oid, 'evil()'::regprocedure, to_regproc('evil')
select to_regclass('carts'), to_regtype('checked'), to_regtypemod('numeric(5)')
select pg_get_viewdef('evil_view'), pg_get_functiondef('evil()'::regprocedure), pg_get_ruledef(oid) from pg_rewrite limit 1
select pg_get_constraintdef(oid), pg_get_expr(conbin, conrelid) from pg_constraint
select pg_get_partkeydef('keyed'::regclass), pg_get_partition_constraintdef('child'::regclass)
select pg_relation_filepath('carts'), pg_relation_filenode('carts'), pg_filenode_relation(0, 1259)
select pg_relation_size('carts'), pg_total_relation_size('carts'), pg_indexes_size('carts'), pg_table_size('carts')
select pg_database_size(current_database()), pg_tablespace_size('pg_default')
select pg_column_size(c), pg_typeof(c), pg_column_compression(note) from carts c
select has_table_privilege('carts', 'select'), has_function_privilege('evil()', 'execute'), has_schema_privilege('trap', 'usage')
select has_column_privilege('carts', 'id', 'select'), has_type_privilege('checked', 'usage'), has_parameter_privilege('work_mem', 'set')
select row_security_active('guarded'), pg_has_role('super', 'member')
select pg_get_object_address('table', '{public,carts}', '{}'), pg_identify_object(1259, 'carts'::regclass, 0)
select obj_description('carts'::regclass), shobj_description(1, 'pg_database'), col_description('carts'::regclass, 1)
select version(), current_user, session_user, current_catalog, current_schema, current_role, user, system_user
select inet_client_addr(), inet_server_port(), pg_my_temp_schema(), pg_is_other_temp_schema(5), current_schemas(true)
select currtid2('carts', '(0,1)')
select ctid, xmin, xmax, cmin, cmax, tableoid::regclass from carts
select * from carts where ctid = '(0,1)'
select * from carts tablesample bernoulli (10) repeatable (1)
select * from carts tablesample system (10)
select * from carts tablesample pg_catalog.system (10)
select * from carts tablesample trap.system (10)
select * from carts tablesample system_rows (10)
select * from carts as of system time now()
select pg_prewarm('carts')
select pgstattuple('carts')
select dblink('dbname=postgres', 'select 1')
select * from dblink_exec('delete from cards')
select exec_sql('delete from cards')
select crosstab('select 1, 2, 3')
select connectby('carts', 'id', 'age_days', '1', 0)
select pg_file_write('x', 'y', false)
select xslt_process('<a/>', '<b/>')
select file_fdw_handler()
select plpgsql_call_handler()
select plpgsql_inline_handler(null)
select RI_FKey_check_ins()
select suppress_redundant_updates_trigger()
select int4in('5'), textout('x'), boolin('t'), record_out(row(1))
select array_in('{1}', 23, -1)
select anyarray_in('x')
select enum_in('low', 'level'::regtype)
select domain_in('5', 'checked'::regtype, -1)
select range_in('[1,2)', 'span'::regtype, -1)
select pg_input_is_valid('5', 'checked'), pg_input_error_info('x', 'int')
select enum_range(null::level), enum_first(null::level)
select enum_first(null::mood)::text
select to_json(enum_first(null::mood))
select row_to_json(m) from moods m
select json_agg(m) from moods m
select m.* from moods m
select id from moods
select json_build_object('m', mood) from moods
select concat(mood), format('%s', mood) from moods
select mood = 'glad' from moods
select * from moods order by mood
select count(*) from moods group by mood
select distinct mood from moods
select max(mood) from moods
select array_agg(mood) from moods
select * from levels order by level
select json_agg(l) from levels l
select level::text::level from levels
select 'low'::level < 'high'
select row(1, 'a') = row(1, 'b'), row(1, 2) in (select 1, 2)
select row(1, 2) operator(trap.<=>) row(1, 2)
select array[1, 2] operator(trap.<=>) array[1]
select 1 operator(pg_catalog.+) 2
select 1 operator(public.+) 2
select * from carts order by id using <
select * from carts order by id using operator(pg_catalog.>)
select 'a' collate "C" < 'b', 'a' < 'b' collate pg_catalog."default"
select interval '1 day', interval '1' second(3), interval(3) '1.5 s', date '2026-01-01', timestamp(3) '2026-01-01'
select time '10:00' at time zone 'utc', now() at local, extract(epoch from now()), (now(), now()) overlaps (now(), now())
select substring('abc' from 1 for 2), substring('abc' from 'a'), substring('abc' similar 'a' escape '#'), overlay('a' placing 'b' from 1)
select position('a' in 'abc'), trim(leading 'a' from 'abc'), collation for ('a'), normalize('a', nfkc), 'a' is nfc normalized
select x'41', b'101', e'\x41', u&'\0041', n'x', $$a$$, $q$a$q$, 1_000, 0x41, 0b1, 0o7, 1e5, .5, 5.
select 'a'
'b'
select 1 as "select", 2 "from", 3 as "a""b"
select - - 1, + 1, !! 5, @ -5, |/ 4, ||/ 8, ~ 1
select 1 in (1), 1 not in (2), 1 = any ('{1}'), 1 <> all (array[2]), 1 = some (select 1)
select null is unknown, true is not false, 1 is distinct from 2, (1, 2) is null
select cast(null as int), null::int[], '{}'::int[][], '1'::numeric(10, 2), 'x'::varchar(5), 'x'::char(5), '1'::bit(3)
select greatest(1, 2), least(1, 2), nullif(1, 1), coalesce(null, 1)
select grouping(id), id, count(*) from carts group by cube (id), rollup (age_days)
select count(*) over (partition by age_days order by id groups between 1 preceding and 1 following exclude ties) from carts
select first_value(id) over w, nth_value(id, 2) over w, ntile(4) over w from carts window w as (order by id)
select percentile_cont(array[0.5, 0.9]) within group (order by id), mode() within group (order by note) from carts
select rank(5) within group (order by id) from carts
select * from carts natural join cards
select * from carts join cards using (id) as j
select * from carts c full join cards d on c.id = d.id and c.id > 5
select * from (carts cross join cards) as j(a, b)
select * from carts, lateral (select * from cards where cart = carts.id limit 1) x
select * from rows from (generate_series(1, 2), unnest(array['a', 'b'])) as r(a, b)
select * from json_to_recordset('[{"a":1}]') as x(a int)
select * from jsonb_to_record('{"a":5}') as x(a checked)
select * from jsonb_populate_record(null::carts, '{"id":5}')
select * from jsonb_populate_record(null::checked_rows, '{"c":5}')
select (jsonb_populate_record(null::checked_rows, '{"c":5}')).*
select null::checked_rows
select (null::checked_rows).c
select c from checked_rows
select cs[1] from checked_rows
select '{"a":1}'::jsonb['a'], ('{1,2}'::int[])[1:1], body['a']['b'] from carts
select body @? '$.a', body @@ '$.a == 1', jsonb_path_query_array(body, '$.*') from carts
select jsonb_path_query_tz('"2026-01-01"', '$.datetime()')
select json_table.* from json_table('[1]', '$[*]' columns (a int path '$')) json_table
select * from json_table('[{"a":{"b":1}}]', '$[*]' columns (nested path '$.a' columns (b int)))
select json_exists('{"a":1}', '$.a'), json_query('{"a":1}', '$.a' with wrapper), json_value('{"a":1}', '$.a' returning int)
select json_object('{a,1}'), json_object('a': 1), json_array(1, 2), json_scalar(1), json('1'), json_serialize('1')
select json_object('a': 1 returning jsonb), json_arrayagg(id order by id returning jsonb) from carts
select '1' is json, '{}' is json object with unique keys
select json_scalar(5)
select merge_action()
with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) cycle n set c using p select * from t
with recursive t(n) as (select 1 union select n + 1 from t where n < 5) search breadth first by n set o select * from t
with evil as (select 1 as x) select * from evil
with evil_view as (select 1 as x) select * from evil_view
with evil_view as (select * from evil_view) select * from evil_view
with a as (select * from b), b as (select 1) select * from a
with recursive evil_view as (select 1 union all select * from evil_view where false) select * from evil_view
with evil_view as (select 1) select * from public.evil_view
with x as (select 1) select * from (with evil_view as (select 2) select * from evil_view) y
with x as (with evil_view as (select 1) select * from evil_view) select * from evil_view
with pg_class as (select * from evil_view) select * from pg_class
select * from evil_view, (with evil_view as (select 1) select * from evil_view) x
(with evil_view as (select 1) select * from evil_view) union all select * from evil_view
select (with w as (select evil()) select * from w)
select exists (with w as materialized (select evil()) select 1 from w)
table carts order by id limit 1
table only parent
values (1, 'a'), (2, default)
select all id from carts
select distinct on (id) id from carts order by id
select from carts
select
select id into strict from carts
select * into temp x from carts
select * into unlogged table x from carts
select 1 into x union select 2
create table x as select 1
select 1 union (select 2 into x)
select * from carts for update
select * from carts for no key update of carts nowait
select * from carts for read only
select * from (select 1) x for share
select * from carts, (select * from cards for key share) x
select * from seen_barrier
select * from locking_view
select * from counting_view limit 0
select * from reading_view
select * from public.kept
select * from kept_evil
select * from parent where id = 1
select * from child
select * from keyed
select * from keyed where id = 1
select * from hashed
select * from hashed where id = 1
select * from indexed where id = 7
select id from indexed order by id
select * from guarded
select * from simplified
select * from simplified where id = 1
select * from ruled
select * from defaulted
select * from checked_rows
select * from "Mixed Case"
select * from "mixed case"
select * from "a.b".c
select * from "a.b.c"
select * from a.b.c
select * from evil
select * from public.evil
select * from only (evil_view)
select * from carts*
select * from pg_temp.carts
select * from pg_toast.pg_toast_1255
select * from pg_catalog.pg_class
select * from pg_statistic
select * from pg_stats
select most_common_vals from pg_stats
select to_json(most_common_vals) from pg_stats where tablename = 'moods'
select stavalues1 from pg_statistic
select * from pg_user_mappings
select * from pg_subscription
select * from pg_stat_activity
select * from pg_stat_statements
select * from pg_locks
select * from pg_prepared_xacts
select * from pg_prepared_statements
select * from pg_cursors
select * from pg_settings
select * from pg_config
select * from pg_shmem_allocations
select * from pg_backend_memory_contexts
select * from pg_aios
select * from pg_stat_io
select * from pg_stat_wal
select * from pg_stat_progress_vacuum
select * from pg_timezone_names limit 1
select * from pg_available_extensions limit 1
select * from pg_available_extension_versions limit 1
select * from pg_tables
select * from public.pg_tables
select * from pg_catalog.pg_tables
select * from information_schema.tables
select * from information_schema.user_mapping_options
select * from information_schema._pg_user_mappings
select information_schema._pg_truetypid(a, t) from pg_attribute a join pg_type t on t.oid = a.atttypid limit 1
select (information_schema._pg_expandarray(array[1, 2])).x
explain select * from carts
explain (costs off, verbose, settings) select * from carts where id = 7
explain (analyze off) select * from carts
explain (analyze false) delete from cards
explain (analyze 0, buffers) select nextval('numbers')
explain (analyze no) select 1
explain (analyze, analyze off) delete from cards
explain (analyze off, analyze) delete from cards
explain (analyze 'false') insert into cards values (1000)
explain (analyze "OFF") delete from cards
explain (wal off, summary) select 1
explain (memory) select * from evil_view
explain (generic_plan) select * from carts where id = $1
explain execute nothing
explain (analyze) execute nothing
explain declare c cursor for select 1
explain create table x as select 1
explain create table x as select evil()
explain select * from simplified
explain select * from hashed where id = 5
explain insert into carts values (5000)
explain insert into defaulted values (1)
explain update carts set note = 'x'
explain merge into carts using cards on carts.id = cards.id when matched then delete
explain (format json) values (1)
explain call nothing()
explain analyze values (nextval('numbers'))
copy carts to stdout
copy (select 1) to stdout
copy (select evil()) to stdout
copy carts to '/tmp/x'
copy carts to program 'cat'
copy carts from '/dev/null'
declare c cursor for select * from carts
declare c cursor with hold for select * from carts
declare c cursor with hold for select evil()
declare c cursor for select * from carts for update
declare c insensitive scroll cursor for values (1)
fetch 1 from c
fetch backward all in c
move all in c
close all
close c
prepare p as select * from carts
prepare p (checked) as select $1
prepare p as select evil()
prepare p as delete from cards
prepare p as select '{5}'::checked[]
execute p
execute p (evil())
deallocate all
deallocate prepare p
discard plans
discard sequences
discard temp
discard all
listen x
unlisten x
unlisten *
notify x
notify everything, 'x'
lock table carts in access share mode
lock table carts in row share mode
lock table carts
lock table evil_view in access share mode
lock table only carts, cards in access share mode nowait
begin read only
begin isolation level serializable
start transaction
commit
rollback
abort
end
savepoint a
release a
rollback to a
commit and chain
prepare transaction 'x'
commit prepared 'x'
set transaction read only
set transaction snapshot '00000003-0000001B-1'
set session characteristics as transaction read only
set constraints all deferred
set local work_mem = '5MB'
set local search_path = trap
set local timezone = 'utc'
set local time zone local
set local role none
set session authorization default
set role none
reset role
reset session authorization
set local session_replication_role = replica
set local row_security = off
set local xml option document
set names 'utf8'
set local seed = 0.5
set local extra_float_digits = 3
set local default_transaction_read_only = off
set local transaction_isolation = 'serializable'
set local my.var = 'x'
set local plpgsql.extra_warnings = 'all'
set local lc_messages = 'C'
set local allow_in_place_tablespaces = on
set local debug_parallel_query = on
set local jit = on
set local log_min_messages = debug5
set local zero_damaged_pages = on
set local ignore_checksum_failure = on
set local track_io_timing = on
set local exit_on_error = on
set local local_preload_libraries = 'x'
set local session_preload_libraries = 'x'
set local max_stack_depth = '100kB'
show all
show search_path
show "search_path"
show is_superuser
show data_directory
show session authorization
show time zone
load 'auto_explain'
checkpoint
vacuum
analyze carts
reindex table carts
cluster
refresh materialized view kept
refresh materialized view kept_evil
alter system set work_mem = '5MB'
do 'begin end'
do $$ begin perform nextval('numbers'); end $$
call nothing()
call pg_catalog.now()
truncate carts
security label on table carts is 'x'
comment on table carts is 'x'
import foreign schema x from server y into z
insert into carts values (7000) on conflict do nothing
insert into pg_settings (name) values ('x')
update pg_settings set setting = 'off' where name = 'row_security'
update pg_catalog.pg_settings set setting = '5MB' where name = 'work_mem'
delete from pg_settings
update reading_view set age_days = 5
merge into carts using cards on false when not matched then do nothing
merge into carts using cards on carts.id = cards.id when matched then do nothing
with d as (delete from cards returning 1) select count(*) from d
with d as (delete from cards where false returning 1) select 1
with u as (update carts set note = note returning *) select 1 where false
with i as (insert into carts select 8000 where false returning 1) select 1
with m as (merge into carts using cards on false when not matched by target then do nothing returning 1) select 1
select 1; select 2
select 1; delete from cards
select 1;; select nextval('numbers');
begin; select nextval('numbers'); rollback
set local search_path = trap; select * from carts
set search_path = trap; select 1
create temp table pg_class (x int); select * from pg_class
create function pg_temp.now() returns int language sql as 'select 1'; select now()
prepare q as select 1; execute q
deallocate all; execute q
select 1 /* ; */ ; /* select */ select nextval('numbers') -- x
select 1 -- ; delete from cards
select '; delete from cards'
select $x$; delete from cards; $x$
select e'\'; delete from cards; --'
select 1 /* /* */ ; delete from cards; */
select "a;b" from (select 1 as "a;b") x
select 1 where 1 = 1 or nextval('numbers') > 0
select 1 from carts where false and nextval('numbers') > 0
select * from (select nextval('numbers') as n) x where false
select (select nextval('numbers') where false)
select 1 as nextval
select nextval from (select 1 as nextval) x
select x.nextval from (select 1 as nextval) x
select evil from (select 1 as evil) x
select x.evil from (select 1 as evil) x
select x."evil" from (select 1 as evil) x
select length(note), note.length from carts, lateral (select 1) note
select c.note.upper from carts c
select (c.note).upper from carts c
select (c.note).length, (c).note from carts c
select (c.note).checked from carts c
select (c.id).text, (c.id).varchar, (c.id).nextval from carts c
select (c.id).oid from carts c
select (5).oid.regclass
select ('numbers'::regclass).oid
select ('numbers'::regclass).oid.nextval
select (now()).date, (5).float8
select row(1, 2).f1
select (row(1, 2)).f2
select carts from carts
select carts.* from carts
select public.carts.* from public.carts
select public.carts.id from public.carts
select tidy('x'), tidy_twice(note), tidy_body(note) from carts
select (note).tidy, carts.tidy from carts
select x.tidy from tidy('x') x
select tidy(a => 'x')
select pg_catalog.tidy('x'), trap.tidy('x')
select hidden('x'), hidden_deeper('x'), overloaded(1), through_overloaded(1)
select by_default()
select takes_checked(5), gives_checked()
select writes_cards(), counts_cards()
select with_rights(), with_setting(), many_bodies(), any_row(1), no_body(), aliased('x')
select named()
select named(a => 1)
select varia(variadic array[1])
select concat(variadic array['a', 'b']), format('%s', variadic array['a'])
select make_interval(days => 5), make_date(2026, 1, 1)
select string_to_table('a,b', ','), regexp_split_to_table('a b', ' '), generate_subscripts(array[1], 1)
select unnest(array[1, 2]), unnest('{[1,2]}'::int4multirange)
select unnest(array['5']::checked[])
select range_agg(int4range(1, 2)), '[1,2)'::int4range @> 1
select '[1,2)'::span, span(1, 2)
select lower('[1,2)'::span)
select 5::plain, '5'::plain, '{5}'::plain[]
select 5::counted
select 5::twice_checked
select cast(5 as trap.checked)
select cast(null as checked)
select null::checked
select 'x'::regtype
select 'checked'::regtype
select pg_typeof(null::checked)
select '(5,1)'::pair
select (null::pair).a
select array[row(5, 1)::pair]
select to_jsonb(null::pair)
select bool 'x', int4 '5', float8 '5', "char" 'x', pg_catalog.int4 '5', public.plain '5', public.checked '5'
select checked '5', public.checked '5'
select plain(5), text(5), int4('5'), date('2026-01-01'), name('x'), oid('5'), regclass('carts')
select lower(note), lower(note::varchar), upper(note), pg_catalog.lower(note) from carts
select total(id) from carts
select abs(-5), abs(5, 5), abs(5::numeric, 5)
select json_scalar(1::int)
select secret(null), many(null), any_one(5), doubled(5)
select carts.secret, carts.many, carts.any_one, (carts.id).doubled from carts
select as_owner()
select trap.spring()
select trap.add(1, 2), trap.int_cmp(1, 2), trap.carts_json(null)
select to_json(c) from carts c
select row_to_json(c) from carts c
select jsonb_agg(c) from carts c
select json_build_array(c) from carts c
select c::text from carts c
select c::json from carts c
select to_jsonb(c) -> 'id' from carts c
select json_object_agg(id, c) from carts c
select count(c), max(c.id) from carts c
`
  .trim()
  .replaceAll("'a'\n'b'", "'a'\v'b'")
  .split('\n')
  .map((sql) => sql.replaceAll('\v', '\n'))
