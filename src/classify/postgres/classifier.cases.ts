/** `verbs | statement`, for classifier.test.ts: against a target that has `evil`, `evil_view`, type `checked` and operator `<=>` of its own. */
const TABLE = String.raw`
read | SELECT 1
read | SELECT
read | TABLE carts
read | VALUES (1), (2)
read | SELECT * FROM carts
read | SELECT * FROM ONLY carts
read | SELECT DISTINCT ON (a) a, b FROM carts ORDER BY a, b DESC NULLS LAST LIMIT 5 OFFSET 2
read | SELECT * FROM carts ORDER BY a FETCH FIRST 3 ROWS WITH TIES
read | SELECT a FROM carts UNION ALL SELECT b FROM cards INTERSECT SELECT 1 EXCEPT VALUES (2)
read | SELECT lower(a), upper(b), count(*), count(DISTINCT a), max(b) FROM carts GROUP BY 1, 2
read | SELECT * FROM carts GROUP BY GROUPING SETS ((a), (b), ()), CUBE (c)
read | SELECT rank() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM carts
read | SELECT string_agg(a, ',' ORDER BY b) FILTER (WHERE c > 1) FROM carts
read | SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY a), mode() WITHIN GROUP (ORDER BY a) FROM carts
read | SELECT * FROM carts LEFT JOIN cards USING (id) CROSS JOIN LATERAL (SELECT 1) x
read | SELECT * FROM generate_series(1, 10) g, unnest(ARRAY[1,2]) WITH ORDINALITY u(a, b)
read | SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, at)
read | SELECT (information_schema._pg_expandarray(i.indkey)).n FROM pg_index i
read+exec | SELECT information_schema.evil(1)
read+exec | SELECT public._pg_expandarray(i.indkey) FROM pg_index i
read | SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END, COALESCE(a, b), NULLIF(a, b), GREATEST(a, b) FROM carts
read | SELECT a::text, CAST(b AS numeric(10,2)), '2020-01-01'::date, DATE '2020-01-01', INTERVAL '1 day' FROM carts
read | SELECT (ARRAY[1,2])[1], ARRAY(SELECT 1), (ARRAY[1,2])[1:2], ROW(1, 2)
read | SELECT a -> 'x' ->> 'y', a #> '{b}', a @> '{}', a ? 'k' FROM carts
read | SELECT a BETWEEN 1 AND 2, a BETWEEN SYMMETRIC 1 AND 2, a IN (1, 2), a LIKE 'x%', a ILIKE 'x', a SIMILAR TO 'x', a ~ 'x' FROM carts
read | SELECT a IS NULL, a IS TRUE, a IS DISTINCT FROM b, a IS JSON, a IS DOCUMENT, a IS NORMALIZED FROM carts
read | SELECT a = ANY (ARRAY[1]), a > ALL (SELECT 1), EXISTS (SELECT 1), (SELECT 1), a IN (SELECT 1) FROM carts
read | SELECT extract(year FROM now()), overlay('a' PLACING 'b' FROM 1), position('a' IN 'b'), substring('a' FROM 1), trim(BOTH 'x' FROM 'y')
read | SELECT now() AT TIME ZONE 'utc', now() AT LOCAL, CURRENT_TIMESTAMP, LOCALTIME, CURRENT_USER, SESSION_USER, USER, CURRENT_CATALOG, CURRENT_SCHEMA
read | SELECT a COLLATE "C" FROM carts ORDER BY a COLLATE "de_DE" USING >
read | SELECT random(), gen_random_uuid(), clock_timestamp(), timeofday(), pg_backend_pid(), version()
read | SELECT pg_table_size('carts'), pg_total_relation_size('carts'), pg_size_pretty(1::bigint), pg_relation_size('carts', 'main')
read | SELECT current_setting('x'), current_setting('x', true), current_database(), current_schemas(true), inet_client_addr()
read | SELECT has_table_privilege('carts', 'select'), to_regclass('x'), 'x'::regclass, pg_get_viewdef('x'::regclass), obj_description(1, 'x')
read | SELECT currval('x'), lastval()
read | SELECT txid_current_if_assigned(), pg_current_xact_id_if_assigned(), txid_current_snapshot(), pg_current_snapshot()
read | SELECT xmlelement(NAME a, xmlattributes(1 AS b), 'c'), xmlforest(1 AS a), xmlparse(CONTENT 'x'), xmlserialize(CONTENT '<a/>' AS text), xmlpi(NAME x), xmlroot('<a/>', VERSION '1.0')
read | SELECT * FROM xmltable('/a' PASSING '<a/>' COLUMNS b int PATH '@b' DEFAULT 0) x
read | SELECT json_object('a': 1), json_array(1, 2), json_objectagg('a': 1), json_arrayagg(a), JSON('{}'), json_serialize('{}') FROM carts
read | SELECT JSON_VALUE('{}', '$.a' RETURNING int DEFAULT 1 ON EMPTY), JSON_QUERY('{}', '$'), JSON_EXISTS('{}', '$.a')
read | SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a int PATH '$', NESTED '$.b' COLUMNS (c int), n FOR ORDINALITY)) x
read | SELECT * FROM json_to_recordset('[]') AS x(a int, b text)
read | SELECT to_json(c), row_to_json(c), json_agg(c), jsonb_build_object('a', 1, 'b', 2) FROM carts c
read | SELECT * FROM carts TABLESAMPLE bernoulli (1) REPEATABLE (2)
read | SELECT (c).id, (c.x).y, c.* FROM carts c
read | SELECT similarity(a, 'x') FROM carts
read | SELECT public.similarity(a, 'x') FROM carts
read | SELECT concat(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25)
read | SELECT format('%s %s', 1, 2), quote_ident('x'), md5('x'), sha256('x'), encode('x', 'hex')
read | SELECT concat_ws(',', VARIADIC ARRAY['a','b'])
read | SELECT make_interval(days => 3)
read | SELECT regexp_replace(a, 'x', 'y', 'g'), regexp_split_to_table(a, ',') FROM carts
read | WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SEARCH DEPTH FIRST BY n SET o CYCLE n SET c USING p SELECT * FROM t
read | WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x
read | SELECT * FROM cart_view
read | SELECT 'glad'::mood
read | SELECT * FROM pg_stat_activity
read | SELECT * FROM pg_catalog.pg_class c, pg_namespace n, information_schema.tables t
read | SELECT * FROM pg_locks WHERE pid = pg_backend_pid()
read | SELECT $1::int, $2
read | SELECT 1;
read | /* a comment */ SELECT 1 -- another
read | SELECT "a.b" FROM carts
read | SELECT U&"\0061" FROM carts
read | SELECT E'\x41', B'01', X'1F', $$x$$, $tag$y$tag$
read | EXPLAIN SELECT * FROM carts
read | EXPLAIN (FORMAT JSON, VERBOSE, COSTS off) SELECT * FROM carts
read | EXPLAIN DELETE FROM carts
read | EXPLAIN (ANALYZE false) DELETE FROM carts
read | EXPLAIN (ANALYZE off) UPDATE carts SET a = 1
read | EXPLAIN (ANALYZE 0) INSERT INTO carts VALUES (1)
read | EXPLAIN CREATE TABLE x AS SELECT 1
read | EXPLAIN ANALYZE SELECT * FROM carts
read | DECLARE c CURSOR FOR SELECT * FROM carts
read | DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1
read | FETCH ALL FROM c
read | FETCH BACKWARD 5 IN c
read | MOVE FORWARD 10 FROM c
read | LOCK TABLE carts IN ACCESS SHARE MODE

read+exec | SELECT evil()
read+exec | SELECT public.evil(1)
read+exec | SELECT pg_temp.anything()
read+exec | SELECT EVIL()
read+exec | SELECT "evil"()
read+exec | SELECT nothing_known()
read+exec | SELECT carts.evil FROM carts
read+exec | SELECT public.carts.evil FROM carts
read+exec | SELECT (c).evil FROM carts c
read+exec | SELECT (5).evil
read+exec | SELECT ('x'::text).evil
read+exec | SELECT (SELECT 1).evil
read+exec | SELECT (ARRAY[1])[1].evil
read+exec | SELECT (c.x).y.evil FROM carts c
read+exec | SELECT ('x').checked
read+exec | SELECT * FROM evil_view
read+exec | SELECT * FROM public.evil_view
read+exec | TABLE evil_view
read+exec | SELECT * FROM "a.b".c
read+exec | SELECT * FROM carts WHERE id IN (SELECT x FROM evil_view)
read+exec | SELECT * FROM evil()
read+exec | SELECT * FROM ROWS FROM (generate_series(1, 2), evil()) x
read+exec | SELECT * FROM carts, LATERAL evil(id)
read+exec | SELECT 'x'::checked
read+exec | SELECT CAST('x' AS public.checked)
read+exec | SELECT checked('x')
read+exec | SELECT '{}'::checked[]
read+exec | SELECT '{}'::_checked
read+exec | SELECT checked 'x'
read+exec | SELECT * FROM json_to_record('{}') AS x(a checked)
read+exec | SELECT JSON_VALUE('1', '$' RETURNING checked)
read+exec | SELECT * FROM xmltable('/a' PASSING '<a/>' COLUMNS b checked) x
read+exec | SELECT json_populate_record(NULL::carts, '{}')
read+exec | SELECT 1 <=> 2
read+exec | SELECT 1 OPERATOR(public.<=>) 2
read+exec | SELECT * FROM carts ORDER BY a USING <=>
read+exec | SELECT 1 <=> ANY (ARRAY[1])
read+exec | SELECT 1 <=> ALL (SELECT 1)
read+exec | SELECT total(a) FROM carts
read+exec | SELECT total(a) OVER () FROM carts
read+exec | SELECT JSON_SCALAR(1)
read+exec | SELECT lower(evil())
read+exec | SELECT * FROM carts WHERE evil() = 1
read+exec | SELECT * FROM carts ORDER BY evil()
read+exec | SELECT * FROM carts LIMIT evil()
read+exec | SELECT * FROM carts OFFSET evil()
read+exec | SELECT count(*) FILTER (WHERE evil() = 1) FROM carts
read+exec | SELECT sum(a) OVER (ORDER BY evil()) FROM carts
read+exec | SELECT sum(a) OVER w FROM carts WINDOW w AS (PARTITION BY evil())
read+exec | SELECT string_agg(a, ',' ORDER BY evil()) FROM carts
read+exec | SELECT CASE WHEN evil() = 1 THEN 1 END
read+exec | SELECT ARRAY[evil()]
read+exec | SELECT (ARRAY[1])[evil()]
read+exec | SELECT ROW(evil())
read+exec | SELECT xmlelement(NAME a, evil())
read+exec | SELECT json_object('a': evil())
read+exec | SELECT json_arrayagg(evil())
read+exec | SELECT JSON_VALUE('{}', '$' PASSING evil() AS x)
read+exec | SELECT * FROM carts TABLESAMPLE bernoulli (evil())
read+exec | SELECT * FROM carts TABLESAMPLE evil (1)
read+exec | SELECT * FROM carts JOIN cards ON evil() = 1
read+exec | VALUES (evil())
read+exec | WITH x AS (SELECT evil()) SELECT 1
read+exec | SELECT make_interval(days => evil())
read+exec | SELECT table_to_xml('carts', true, true, '')
read+exec | SELECT pg_catalog.query_to_xml('select 1', true, true, '')
read+exec | SELECT ts_stat('select 1')
read+exec | SELECT ts_rewrite('a'::tsquery, 'select 1')
read+exec | SELECT pg_sleep(1)
read+exec | SELECT setseed(0.5)
read+exec | SELECT lo_get(1)
read+exec | SELECT lo_create(0)
read+exec | SELECT lo_unlink(1)
read+exec | SELECT pg_input_is_valid('x', 'checked')
read+exec | SELECT domain_in('x', 1, -1)
read+exec | SELECT * FROM pg_largeobject
read+exec | EXPLAIN SELECT evil()
read+exec | EXPLAIN SELECT * FROM evil_view
read+exec | EXPLAIN INSERT INTO defaulted VALUES (1)
read+exec | DECLARE c CURSOR FOR SELECT evil()
exec | DO $$ BEGIN END $$
exec | DO LANGUAGE plpgsql 'begin end'
exec | CALL something(1)
exec | CALL something(evil())

read+admin | SELECT pg_read_file('/etc/passwd')
read+admin | SELECT pg_read_binary_file('x')
read+admin | SELECT pg_ls_dir('/')
read+admin | SELECT pg_stat_file('x')
read+admin | SELECT lo_import('/etc/passwd')
read+admin | SELECT lo_export(1, '/tmp/x')
read+admin | SELECT pg_terminate_backend(1)
read+admin | SELECT pg_cancel_backend(1)
read+admin | SELECT pg_reload_conf()
read+admin | SELECT pg_rotate_logfile()
read+admin | SELECT pg_switch_wal()
read+admin | SELECT pg_create_restore_point('x')
read+admin | SELECT pg_create_physical_replication_slot('x')
read+admin | SELECT pg_drop_replication_slot('x')
read+admin | SELECT pg_logical_emit_message(true, 'a', 'b')
read+admin | SELECT pg_promote()
read+admin | SELECT pg_export_snapshot()
read+admin | SELECT pg_stat_reset()
read+admin | SELECT dblink('host=x', 'select 1')
read+admin | SELECT * FROM dblink('host=x', 'select 1') AS t(a int)
read+admin | SELECT * FROM pg_authid
read+admin | SELECT passwd FROM pg_shadow
read+admin | SELECT * FROM information_schema.user_mapping_options
read+admin | SELECT umoptions FROM pg_catalog.pg_user_mapping
read+admin | SELECT * FROM pg_hba_file_rules
read+admin | SELECT set_config('role', 'ana', false)
read+admin | SELECT set_config('session_authorization', 'ana', false)
read+admin | SELECT set_config('app.user', 'ana', false)
read+admin | SELECT set_config($1, 'ana', false)
read+admin | SELECT set_config('ro' || 'le', 'ana', false)
read+admin | SELECT set_config(name, 'x', false) FROM pg_settings
read+admin | SELECT set_config(name, 'x', false) FROM pg_settings WHERE name <> 'work_mem'
read+admin | SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'role'
read+admin | SELECT set_config(name, 'x', false) FROM pg_settings, carts WHERE name = 'work_mem'
connect | SELECT set_config('search_path', '', false)
connect | SELECT pg_catalog.set_config('TimeZone', 'UTC', true)
connect+read | SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'
connect+exec | SELECT set_config('work_mem', evil(), false)

read+write | SELECT nextval('numbers')
read+write | SELECT setval('numbers', 1)
read+write | SELECT pg_advisory_lock(1)
read+write | SELECT pg_try_advisory_xact_lock(1, 2)
read | SELECT pg_advisory_unlock_all()
read+write | SELECT pg_advisory_unlock(1)
read+write | SELECT pg_notify('x', 'y')
read+write | SELECT txid_current()
read+write | SELECT pg_current_xact_id()
read+write | SELECT * FROM carts FOR UPDATE
read+write | SELECT * FROM carts c FOR NO KEY UPDATE OF c SKIP LOCKED
read+write | SELECT * FROM carts FOR SHARE NOWAIT
read+write | SELECT * FROM carts FOR KEY SHARE
read+write | SELECT * FROM (SELECT * FROM carts FOR UPDATE) x
read+write | WITH x AS (SELECT * FROM carts FOR SHARE) SELECT * FROM x
read+write | DECLARE c CURSOR FOR SELECT * FROM carts FOR UPDATE
read+write | EXPLAIN SELECT nextval('numbers')
write | INSERT INTO carts VALUES (1)
write | INSERT INTO carts (a, b) VALUES ($1, $2) RETURNING id
write | INSERT INTO carts DEFAULT VALUES
write | INSERT INTO carts VALUES (1) ON CONFLICT DO NOTHING
write | INSERT INTO carts VALUES (1) ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a WHERE carts.b > 1
read+write | INSERT INTO carts SELECT * FROM cards
read+write | INSERT INTO carts VALUES ((SELECT max(id) FROM cards))
read+write | INSERT INTO carts VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 RETURNING *
write+exec | INSERT INTO carts VALUES (evil())
write+exec | INSERT INTO carts VALUES (1) RETURNING evil()
write+exec | INSERT INTO carts VALUES (1) ON CONFLICT (evil(a)) DO NOTHING
write+exec | UPDATE carts SET a = evil()
write | UPDATE carts SET a = 1
write | UPDATE carts SET (a, b) = (1, 2) WHERE id = 3
write | UPDATE carts SET a = DEFAULT WHERE CURRENT OF c
read+write | UPDATE carts SET (a, b) = (SELECT 1, 2 FROM cards)
read+write | UPDATE carts SET a = 1 FROM cards WHERE carts.id = cards.id
read+write | UPDATE carts SET a = 1 WHERE id IN (SELECT id FROM cards)
read+write | UPDATE carts SET a = 1 RETURNING *
write+exec | UPDATE evil_view SET x = 1
read+write | MERGE INTO carts USING cards ON carts.id = cards.id WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)
read+write+delete | MERGE INTO carts USING cards ON carts.id = cards.id WHEN MATCHED THEN DELETE
read+write+exec | MERGE INTO carts USING cards ON carts.id = cards.id WHEN MATCHED AND evil() = 1 THEN DO NOTHING
write | COPY carts FROM STDIN
write | COPY carts (a, b) FROM STDIN WITH (FORMAT csv, HEADER) WHERE a > 1
write+exec | COPY carts FROM STDIN WHERE evil() = 1
write | NOTIFY x
write | LISTEN x
write | LOCK TABLE carts
write | LOCK TABLE carts IN SHARE MODE NOWAIT
write | SET CONSTRAINTS ALL DEFERRED
read+write | WITH i AS (INSERT INTO carts VALUES (1) RETURNING id) SELECT * FROM i
write | EXPLAIN ANALYZE INSERT INTO carts VALUES (1)
write | EXPLAIN (ANALYZE) INSERT INTO carts VALUES (1)
write | EXPLAIN (COSTS off, ANALYZE 'true') INSERT INTO carts VALUES (1)
write | EXPLAIN (ANALYZE 1) INSERT INTO carts VALUES (1)
write | EXPLAIN (ANALYZE false, ANALYZE) INSERT INTO carts VALUES (1)
delete | DELETE FROM carts
delete | DELETE FROM carts WHERE age_days > 90
read+delete | DELETE FROM carts USING cards WHERE carts.id = cards.id
read+delete | DELETE FROM carts RETURNING *
read+delete | DELETE FROM carts WHERE id IN (SELECT id FROM cards)
read+delete | WITH d AS (DELETE FROM carts RETURNING *) SELECT * FROM d
read+delete | WITH d AS (DELETE FROM carts) SELECT 1
read+write+delete | WITH d AS (DELETE FROM carts RETURNING *) INSERT INTO cards SELECT * FROM d
delete | TRUNCATE carts
delete | TRUNCATE carts, cards RESTART IDENTITY CASCADE
delete | EXPLAIN ANALYZE DELETE FROM carts
delete+exec | DELETE FROM carts WHERE evil() = 1

export | COPY carts TO STDOUT
export | COPY carts (a) TO STDOUT WITH (FORMAT csv)
read+export | COPY (SELECT * FROM carts) TO STDOUT
read+export+exec | COPY (SELECT evil()) TO STDOUT
export+exec | COPY evil_view TO STDOUT
read+delete+export | COPY (DELETE FROM carts RETURNING *) TO STDOUT
export+admin | COPY carts TO '/tmp/x'
export+admin | COPY carts TO PROGRAM 'sh'
write+admin | COPY carts FROM '/etc/passwd'
write+admin | COPY carts FROM PROGRAM 'curl x'

schema | CREATE TABLE x (a int DEFAULT 1, b text CHECK (length(b) < 5), PRIMARY KEY (a))
schema | CREATE TABLE x (LIKE carts)
schema | CREATE TEMP TABLE x (a int)
schema+exec | CREATE TABLE x (a int DEFAULT evil())
schema+exec | ALTER TABLE carts ADD COLUMN x int DEFAULT evil()
schema+exec | ALTER TABLE carts ALTER COLUMN a TYPE int USING evil()
schema+exec | CREATE INDEX ON carts (evil(a))
schema | CREATE INDEX CONCURRENTLY ON carts (lower(a))
schema | ALTER TABLE carts ADD COLUMN x int
schema+admin | ALTER TABLE carts OWNER TO ana
schema | DROP TABLE carts
schema | DROP DATABASE shop
schema | DROP SCHEMA public CASCADE
schema | CREATE VIEW x AS SELECT evil()
schema | CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'
schema | CREATE FUNCTION f() RETURNS int RETURN evil()
schema | CREATE TRIGGER t BEFORE INSERT ON carts FOR EACH ROW EXECUTE FUNCTION evil()
schema | CREATE RULE r AS ON INSERT TO carts DO ALSO DELETE FROM cards
schema | CREATE POLICY p ON carts USING (evil() = 1)
schema | CREATE TYPE x AS ENUM ('a')
schema | CREATE DOMAIN x AS int
schema | CREATE SEQUENCE x
schema | CREATE OPERATOR = (leftarg = int, rightarg = varchar, function = f)
schema | CREATE CAST (int AS mood) WITH FUNCTION f(int)
schema | CREATE AGGREGATE x (int) (sfunc = f, stype = int)
schema | CREATE SCHEMA x
schema+admin | CREATE SCHEMA x CREATE TABLE t (a int) GRANT SELECT ON t TO ana
schema | CREATE DATABASE x
schema | COMMENT ON TABLE carts IS 'x'
schema | REFRESH MATERIALIZED VIEW x
schema | VACUUM FULL carts
schema | ANALYZE
schema | REINDEX TABLE carts
schema | CLUSTER carts
schema | ALTER SEQUENCE x RESTART
schema | ALTER TYPE x ADD VALUE 'b'
schema | ALTER FUNCTION f() VOLATILE
schema | ALTER TABLE carts RENAME TO x
schema | ALTER TABLE carts SET SCHEMA x
read+write+schema | CREATE TABLE x AS SELECT * FROM carts
read+schema | CREATE MATERIALIZED VIEW x AS SELECT * FROM carts
write+schema | SELECT 1 INTO x
read+write+schema | SELECT * INTO x FROM carts
read+write+schema+exec | CREATE TABLE x AS SELECT evil()
read+write+schema | CREATE TEMP TABLE x AS TABLE carts
schema+admin | CREATE FOREIGN TABLE x (a int) SERVER s

admin | CREATE ROLE ana
admin | CREATE USER ana PASSWORD 'x'
admin | ALTER ROLE ana SUPERUSER
admin | ALTER ROLE ana SET search_path = x
admin | DROP ROLE ana
admin | DROP OWNED BY ana
admin | REASSIGN OWNED BY ana TO mia
admin | GRANT SELECT ON carts TO ana
admin | GRANT ana TO mia
admin | REVOKE ALL ON carts FROM ana
admin | ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ana
admin | SET ROLE ana
admin | SET LOCAL ROLE ana
admin | SET ROLE NONE
admin | RESET ROLE
admin | SET SESSION AUTHORIZATION ana
admin | SET SESSION AUTHORIZATION DEFAULT
admin | RESET SESSION AUTHORIZATION
admin | SET session_replication_role = replica
connect | SET row_security = off
connect | SET check_function_bodies = false
connect | SET default_table_access_method = heap
connect | SET array_nulls = off
admin | SET transform_null_equals = on
admin | SET synchronous_commit = off
admin | SET backslash_quote = on
admin | SET createrole_self_grant = 'set'
admin | SET client_connection_check_interval = 0
admin | SET exit_on_error = on
admin | RESET session_replication_role
admin | SET app.tenant = '7'
admin | SET local_preload_libraries = 'x'
admin | SET log_statement = 'none'
connect | SET default_tablespace = x
admin | SET nothing_known = 1
admin | ALTER SYSTEM SET work_mem = 1
unknown | CREATE TABLE x AS EXECUTE p
unknown | EXPLAIN ANALYZE CREATE TEMP TABLE x AS EXECUTE p
admin | ALTER DATABASE shop SET search_path = x
admin | CREATE EXTENSION dblink
admin | ALTER EXTENSION x UPDATE
admin | DROP EXTENSION x
admin | LOAD 'x'
admin | CHECKPOINT
admin | PREPARE TRANSACTION 'x'
admin | COMMIT PREPARED 'x'
admin | ROLLBACK PREPARED 'x'
admin | CREATE PUBLICATION p FOR ALL TABLES
admin | CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p
admin | ALTER SUBSCRIPTION s DISABLE
admin | CREATE SERVER s FOREIGN DATA WRAPPER w
admin | CREATE FOREIGN DATA WRAPPER w
admin | CREATE USER MAPPING FOR ana SERVER s
admin | IMPORT FOREIGN SCHEMA x FROM SERVER s INTO y
admin | SECURITY LABEL ON TABLE carts IS 'x'
admin | CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f()
admin | CREATE LANGUAGE x
admin | CREATE TABLESPACE x LOCATION '/x'
admin | CREATE ACCESS METHOD x TYPE INDEX HANDLER f
admin | ALTER TABLE ALL IN TABLESPACE x SET TABLESPACE y
admin | ALTER ROLE ana RENAME TO mia
admin | ALTER FUNCTION f() OWNER TO ana
admin | DROP SERVER s

connect | BEGIN
connect | START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE
connect | COMMIT AND CHAIN
connect | ROLLBACK
connect | SAVEPOINT s
connect | RELEASE s
connect | ROLLBACK TO SAVEPOINT s
connect | SET TRANSACTION READ ONLY
connect | SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
connect | SET search_path = public
connect | SET SESSION statement_timeout = '5s'
connect | SET LOCAL lock_timeout = 100
connect | SET application_name = 'x'
connect | SET client_encoding = 'UTF8'
connect | SET NAMES 'UTF8'
connect | SET TIME ZONE 'UTC'
connect | SET TIME ZONE LOCAL
connect | SET DateStyle = 'ISO'
connect | SET extra_float_digits = 3
connect | SET default_transaction_isolation = 'repeatable read'
connect | SET bytea_output TO hex
connect | SET enable_seqscan = off
connect | SET holdpoint.reason = 'INC-9'
connect | RESET work_mem
connect | RESET ALL
connect | SHOW search_path
connect | SHOW ALL
connect | SHOW TRANSACTION ISOLATION LEVEL
connect | DISCARD ALL
connect | DISCARD PLANS
connect | DEALLOCATE ALL
connect | DEALLOCATE PREPARE x
connect | CLOSE ALL
connect | CLOSE c
connect | UNLISTEN *
connect | PREPARE p AS SELECT 1
connect | PREPARE p (int) AS DELETE FROM carts WHERE id = $1

read | SELECT umid, srvname, usename FROM pg_user_mappings
read | SELECT um.srvname AS "Server", um.usename AS "User name" FROM pg_catalog.pg_user_mappings um ORDER BY 1, 2
read | SELECT subname, pg_get_userbyid(subowner), subenabled, subpublications FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
read | SELECT count(*) FROM pg_subscription
read | SELECT schemaname, tablename, attname, null_frac, avg_width, n_distinct FROM pg_stats WHERE tablename = 'carts'
read | SELECT sum((1 - null_frac) * avg_width), max(null_frac) FROM pg_catalog.pg_stats s WHERE null_frac <> 0 AND s.schemaname = 'public'
read | EXPLAIN SELECT * FROM pg_stats
read+admin | SELECT umoptions FROM pg_user_mappings
read+admin | SELECT array_to_string(ARRAY(SELECT option_name FROM pg_options_to_table(um.umoptions)), ',') FROM pg_catalog.pg_user_mappings um
read+admin | SELECT * FROM pg_user_mappings
read+admin | SELECT um.* FROM pg_user_mappings um
read+admin | SELECT um FROM pg_user_mappings um
read+admin | SELECT pg_user_mappings FROM pg_user_mappings
read+admin | SELECT um.row_to_json FROM pg_user_mappings um
read+admin | SELECT um.to_jsonb->'umoptions' FROM pg_user_mappings um
read+admin | SELECT f FROM pg_user_mappings um(a, b, c, d, e, f)
read+admin | SELECT f FROM (pg_user_mappings um CROSS JOIN carts) j(a, b, c, d, e, f)
read+admin | SELECT j FROM (pg_user_mappings um CROSS JOIN carts) j
read+admin | TABLE pg_subscription
read+admin | SELECT subconninfo FROM pg_subscription
read+admin | SELECT (s).subconninfo FROM (SELECT s FROM pg_subscription s) x
read+admin | WITH s AS (SELECT subname, subconninfo AS note FROM pg_subscription) SELECT note FROM s
read+admin | SELECT row_to_json(s) FROM pg_subscription s
read+admin | SELECT most_common_vals FROM pg_stats WHERE tablename = 'pg_authid'
read+admin | SELECT histogram_bounds::text FROM pg_catalog.pg_stats
read+admin | SELECT stavalues1 FROM pg_statistic
read+admin | SELECT pg_mcv_list_items(stxdmcv) FROM pg_statistic_ext_data
export+admin | COPY pg_subscription TO STDOUT
export+admin | COPY pg_catalog.pg_subscription (subname, subconninfo) TO STDOUT
export | COPY pg_subscription (subname) TO STDOUT
read+admin | DECLARE c CURSOR FOR SELECT subconninfo FROM pg_subscription
connect+admin | PREPARE p AS SELECT subconninfo FROM pg_subscription
write+admin | UPDATE pg_settings SET setting = 'off' WHERE name = 'row_security'
write+admin | UPDATE pg_catalog.pg_settings SET setting = 'replica' WHERE name = 'session_replication_role'
write+admin | UPDATE pg_proc SET prosrc = 'x' WHERE proname = 'lower'
delete+admin | DELETE FROM pg_catalog.pg_class WHERE relname = 'carts'
write+admin | INSERT INTO pg_authid DEFAULT VALUES
write+admin | COPY pg_catalog.pg_proc FROM STDIN
read | SELECT '{}'::json, CAST('{}' AS json), json_object('{a,1}')
schema | CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'begin return 1; end'
schema | CREATE FUNCTION f() RETURNS int RETURN 1
schema+admin | CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x.so', 'f'
schema+admin | CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_reload_conf'
schema+admin | CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE 'plpython3u' AS 'import os'

read ; schema | SELECT 1; DROP TABLE carts
connect ; delete | COMMIT; DELETE FROM carts
connect ; read ; connect | BEGIN; SELECT 1; COMMIT
read ; read+exec ; read | SELECT 1; SELECT evil(); SELECT 2
`

export const CASES: readonly { readonly sql: string; readonly verbs: string }[] = TABLE.split('\n')
  .filter((line) => line.includes(' | '))
  .map((line) => {
    const at = line.indexOf(' | ')
    return { verbs: line.slice(0, at), sql: line.slice(at + 3) }
  })
