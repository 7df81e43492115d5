/**
 * Statements that look like reads, or hide something among reads, and leave a trace wherever everything that a target
 * defines is a trap (test/support/trapped-target.ts). Each was seen to leave one, on PostgreSQL 15 or 18.
 */
export const TRACES: readonly string[] = `
select id from carts where evil() = 1
select id from carts order by evil()
select id from carts order by evil(id) desc nulls last
select id from carts limit evil()
select id from carts offset evil(1)
select id from carts fetch first (evil()) rows only
select id from carts order by 1 fetch first evil(1) rows with ties
select count(*) from carts group by evil(id)
select count(*) from carts group by grouping sets ((evil(id)), ())
select count(*) from carts group by cube (evil(id))
select count(*) from carts group by rollup (evil(id), id)
select count(*) from carts group by id having evil(id) = 1
select sum(id) over (order by id rows between evil() preceding and current row) from carts
select sum(id) over (order by id range between evil() preceding and current row) from carts
select sum(id) over w from carts window w as (order by evil(id))
select sum(id) over (w rows evil() preceding) from carts window w as (order by id)
select count(*) filter (where evil(id) = 1) from carts
select string_agg(note, ',' order by evil(id)) from carts
select array_agg(evil(id)) from carts
select percentile_disc(0.5) within group (order by evil(id)) from carts
select percentile_cont(evil()) within group (order by id) from carts
select rank(evil()) within group (order by id) from carts
values (evil()), (2)
select * from (values (evil())) v
insert into carts (id) values (evil() + 1000)
select * from carts c, lateral (select evil(c.id)) x
select * from carts c left join lateral evil(c.id) x on true
select * from carts c cross join lateral (values (evil(c.id))) x
select * from carts tablesample system (evil())
select * from carts tablesample system (50) repeatable (evil())
select * from rows from (evil(1)) as x
select * from rows from (evil(1), evil(2)) with ordinality as x(a,b,c)
select * from evil() with ordinality
select * from evil() as x(y)
select * from json_table('[1]', '$[*]' passing evil() as x columns (a int path '$')) j
select * from json_table(to_json(evil())::jsonb, '$' columns (a int path '$')) j
select * from json_table('[1]', '$[*]' columns (a int path '$' default evil() on empty)) j
select * from xmltable('/a' passing xmlelement(name a, evil()) columns x int path '.') y
select * from xmltable('/a' passing '<a/>' columns x int path '.' default evil()) y
select json_object('a' value evil())
select json_object('a': evil() absent on null)
select json_array(evil(), 2)
select json_array(select evil())
select json_objectagg('a': evil())
select json_objectagg(id: evil(id)) from carts
select json_arrayagg(evil() order by evil())
select json_value('{"a":1}', '$.a' default evil() on error)
select json_value('{"a":1}', '$.b' returning int default evil() on empty)
select json_query('{"a":1}', '$' passing evil() as x)
select json_exists('{"a":1}', '$ ? (@.a == $x)' passing evil() as x)
select json_scalar(evil())
select json(evil()::text)
select json_serialize(to_json(evil()))
select evil()::text is json object
select note collate "C" from carts where evil()::text collate "C" = 'x'
select tags[1:evil()] from carts
select tags[evil():] from carts
select body[evil()::text] from carts
select (array[evil()])[1]
select array[[1, evil()]]
select row(1, evil())
select (1, evil())
select (row(evil())).f1
select case evil() when 1 then 2 end
select case when evil() = 1 then 2 else 3 end
select case when false then 1 else evil() end
select 1 between evil() and 2
select 1 not between 0 and evil()
select 1 between symmetric evil() and 2
select 1 not between symmetric evil() and 2
select 'x' similar to 'x' escape evil()::text
select 'x' like evil()::text
select 'x' like 'x' escape evil()::text
select 'x' ilike evil()::text
select 'x' not similar to evil()::text
select now() at time zone evil()::text
select now() at local + evil() * interval '1 day'
select evil() is distinct from 1
select evil() is not distinct from 1
select evil() isnull
select evil() notnull
select (evil() = 1) is true
select (evil() = 1) is not unknown
select not (evil() = 1)
select evil() = 1 and true
select nullif(evil(), 1)
select least(evil(), 1)
select cast(evil() as bigint)
select bigint '5' + evil()
select evil() in (1, 2)
select 1 in (evil(), 2)
select 1 in (select evil())
select 1 = any (array[evil()])
select 1 = all (select evil())
select (1, 2) = (select evil(), 2)
select (1, 2) < (evil(), 2)
select (1, 2) in ((evil(), 2))
select exists (select from carts where evil() = 1)
select extract(year from now() + evil() * interval '1 day')
select overlay('abc' placing 'x' from evil())
select substring('abc' from evil())
select substring('abc' similar 'a' escape evil()::text)
select trim(both evil()::text from 'x')
select position(evil()::text in 'x')
select normalize(evil()::text, nfc)
select evil()::text is normalized
select xmlelement(name a, xmlattributes(evil() as b))
select xmlforest(evil() as a)
select xmlconcat(xmlelement(name a, evil()))
select xmlpi(name a, evil()::text)
select xmlparse(document '<a>' || evil() || '</a>')
select xmlroot(xmlparse(content evil()::text), version no value)
select xmlserialize(content xmlelement(name a, evil()) as text)
select xmlexists('//a' passing by value xmlelement(name a, evil()))
select xmlagg(xmlelement(name a, evil()))
select 1 union all select evil()
select 1 except select evil()
select 1 intersect select evil()
(select evil()) union (select 1) order by 1
with a as (select evil()) select * from a
with a as materialized (select evil()) select * from a
with a as not materialized (select evil() as x) select * from a
with recursive a(n) as (select evil() union all select n + 1 from a where n < 3) select * from a
with recursive a(n) as (select 1 union all select n + evil() from a where n < 3) select * from a
with recursive a(n) as (select 1 union all select n + 1 from a where n < 3) search depth first by n set o select evil(), * from a
with a as (insert into carts values (900) returning id), b as (select * from a) select * from b
with a as (update carts set age_days = 2 where id = 1) select 1
with a as (delete from cards) select 1
with a as (merge into carts using cards on carts.id = cards.id when matched then update set age_days = 5 returning 1) select * from a
with a as (insert into carts values (1) on conflict (id) do update set age_days = 9 returning *) select * from a
select * from (with d as (select 1) select evil() from d) x
declare c cursor with hold for select evil()
declare c scroll cursor for select * from evil_view
declare c cursor for select * from carts for update
declare c binary cursor for values (evil())
prepare p1 as select evil()
prepare p2(checked) as select $1
explain analyze select evil()
explain (analyze, buffers) select evil()
explain (analyze on) select nextval('numbers')
explain (analyze 'on') select nextval('numbers')
explain (analyze "on") select nextval('numbers')
explain (ANALYZE TRUE) select nextval('numbers')
explain (analyse) select nextval('numbers')
explain analyse select nextval('numbers')
explain analyze verbose select nextval('numbers')
explain verbose select evil()
explain (analyze, serialize) select evil()
explain (analyze, timing off) delete from cards
explain (generic_plan) select evil()
explain (generic_plan) select * from carts where id = $1 and evil() = 1
explain (verbose, costs off, format xml) select * from hashed where id = 4
explain (settings, wal, analyze) update carts set age_days = 3
explain declare c cursor for select evil()
explain analyze declare c cursor for select evil()
explain analyze create table x9 as select 1
explain analyze create materialized view x9 as select 1
explain insert into ruled values (1)
explain update defaulted set d = default
copy (delete from cards returning *) to stdout
copy (insert into carts values (901) returning *) to stdout
copy (update carts set age_days = 1 returning *) to stdout
copy (values (evil())) to stdout
copy (table evil_view) to stdout
copy carts (id) from '/dev/null' with csv where evil() = 1
table only evil_view
select * from only evil_view
select * from evil_view as of
merge into carts using (select evil() as id) s on carts.id = s.id when matched then do nothing
merge into carts c using cards d on c.id = d.id when matched and evil() = 1 then do nothing
insert into carts values (902) on conflict (id) do update set age_days = evil() where evil() = 1
insert into carts select 903
insert into cards values (903) returning evil()
insert into ruled values (2)
insert into hashed values (3)
insert into indexed values (5000)
update carts set (age_days, note) = (select evil(), 'x') where id = 1
update carts set tags[evil()] = 'x' where id = 1
delete from cards using carts where cards.cart = carts.id
delete from only cards
truncate cards
truncate only cards restart identity cascade
truncate carts, cards
truncate table public.cards continue identity
select * from carts for update of carts
select * from carts for update skip locked
select * from carts for update nowait
select * from carts for share of carts
select * from carts for key share
select * from carts c, cards d for update of d skip locked
select * from (select * from carts for update) x limit 1
select 1 where exists (select * from carts for key share)
select (select id from carts limit 1 for update)
values ((select id from carts limit 1 for share))
select lo_create(0)
select lo_from_bytea(0, '\\x00')
select lo_unlink(lo_creat(-1))
select lo_put(lo_create(0), 0, 'x')
select lowrite(lo_open(lo_create(0), 131072), 'x')
select lo_truncate(lo_open(lo_create(0), 131072), 5)
select pg_advisory_lock(1, 2)
select pg_advisory_lock_shared(3)
select pg_try_advisory_lock(4)
select pg_try_advisory_lock_shared(4, 5)
select pg_advisory_xact_lock(5)
select pg_advisory_xact_lock_shared(5)
select pg_try_advisory_xact_lock(6)
select pg_try_advisory_xact_lock_shared(6)
select pg_advisory_lock(id) from carts limit 2
select pg_advisory_unlock(pg_advisory_lock(1)::text::int)
select set_config('work' || '_mem', '5MB', false)
select set_config('a.b', 'c', false)
select set_config('log_statement', 'all', false)
select set_config('lo_compat_privileges', 'on', false)
select set_config('transform_null_equals', 'on', false)
update pg_settings set setting = '9MB' where name = 'work_mem'
select query_to_xml_and_xmlschema('select evil()', true, true, '')
select query_to_xmlschema('select evil()', true, true, '')
select table_to_xml('evil_view'::regclass, true, true, '')
select table_to_xml_and_xmlschema('evil_view'::regclass, true, true, '')
select schema_to_xml('public', true, true, '')
select schema_to_xml_and_xmlschema('public', true, true, '')
select * from ts_stat('select to_tsvector(evil()::text)')
select * from ts_stat('select to_tsvector(evil()::text)', 'a')
select pg_catalog.txid_current()
select nextval('numbers'::regclass)
select pg_catalog.nextval('public.numbers')
select setval('numbers', 10)
select setval('numbers', 10, false)
select nextval(c.oid) from pg_class c where relname = 'numbers'
select ('numbers'::regclass).nextval
select x.nextval from (select 'numbers'::regclass::oid) y(z), lateral regclass(z) x
select pg_logical_emit_message(true, 'a', 'b')
select named()
select named(b => 5)
select named(1, b := 5)
select named(a => evil())
select varia(1, 2, 3)
select varia(variadic array[1, 2])
select "Quoted Fn"()
select U&"\\0065vil"()
select public . evil ( )
select "public"."evil"()
select/**/evil/**/()
select /* /* nested */ */ evil()
select EVIL()
select Public.Evil()
select public.carts.secret from public.carts
select secret(carts) from carts
select secret(c.*) from carts c
select (c.*).secret from carts c
select (select c from carts c limit 1).secret
select ((select c from carts c limit 1)).secret
select (carts).secret from carts
select (y.x).secret from (select c from carts c) as y(x)
select id from carts c where c.secret = 1
select id from carts c order by c.secret
select count(c.secret) from carts c
select "c"."secret" from carts "c"
select c.SECRET from carts c
select u.secret from carts u join cards using (id)
select j.any_one from (carts c join cards d on c.id = d.id) j
select 5 operator(public.<<) 'x'::varchar
select id from carts where id << any (array['a'::varchar])
select 1 operator(trap.<=>) all (array[1])
select id from carts group by id having id operator(trap.<=>) 1
select checked '5'
select cast(5 as checked)
select cast('5' as public . checked)
select 5::public.checked::int
select id::checked from carts
select array[5]::checked[]
select '{5}'::public._checked
select '{{5}}'::checked[][]
select row(5, 1)::pair
select '{"(5,1)"}'::pair[]
select "checked"(5)
select (v.x).checked from (values (5)) v(x)
select * from json_to_recordset('[{"a":5}]') as x(a checked)
select * from jsonb_to_record('{"a":{"a":5}}') as x(a pair)
select * from json_populate_record(null::pair, '{"a":5}')
select * from jsonb_populate_recordset(null::pair, '[{"a":5}]')
select jsonb_populate_record_valid(null::pair, '{"a":5}')
select json_query('5', '$' returning checked)
select json_value('5', '$' returning public.checked)
select pg_input_error_info('5', 'checked')
select domain_in('5', 'checked'::regtype, -1)
select record_in('(5,1)', 'pair'::regtype, -1)
select pg_catalog.array_in('{5}', 'checked'::regtype, -1)
select * from moods where mood::varchar = 'x'
select coalesce(mood::varchar) from moods
select public.total(id) filter (where id > 3) from carts
select total(id) over (partition by age_days) from carts
select total(distinct id) from carts
select * from "public"."evil_view"
select * from Evil_View
select * from hashed where id = 3
select * from hashed h where h.id = any (array[3, 4])
select * from indexed where id = 7
select * from carts where id = 7 and exists (select 1 from indexed where indexed.id = 7)
select * from "Mixed Case"
select * from public."Mixed Case"
select * from U&"Mixed\\0020Case"
select * from évil
select * from U&"\\00e9vil"
select * from public.pg_tables
select e.* from evil_view e
select e from evil_view e
select array(select x from evil_view)
select * from carts where id in (select x from evil_view)
select * from carts join evil_view on carts.id = evil_view.x
select * from carts natural join evil_view
select * from carts, evil_view
select abs(5::numeric, 1)
do language plpgsql $x$ begin perform evil(); end $x$
do 'begin perform evil(); end'
do E'begin perform evil(); \\x65nd'
call public.nothing()
set log_statement = 'all'
set log_min_duration_statement = 0
set track_activities = off
set track_functions = 'all'
set lo_compat_privileges = on
set transform_null_equals = on
set dynamic_library_path = '/tmp'
set local_preload_libraries = ''
set allow_system_table_mods = on
set session_replication_role = 'replica'
set zero_damaged_pages = on
set backslash_quote = on
set deadlock_timeout = '5s'
set my.custom = 'x'
comment on table carts is 'x'
create table x1 (id int)
create table x1 as values (1)
create table x1 as table carts
create temp table x1 (id int)
create temporary table x1 as select evil()
create unlogged table x1 ()
create table x1 (like carts including all)
create table x1 partition of parent default
create view x1 as select 1
create or replace temp view x1 as select 1
create materialized view x1 as select 1
refresh materialized view kept
create index on carts (note)
create unique index x1 on carts (id)
create sequence x1
create temp sequence x1
create schema x1
create schema x1 create table y (id int)
create function x1() returns int language sql as 'select 1'
create procedure x1() language sql as 'select 1'
create aggregate x1(int) (sfunc = trap.add, stype = int)
create operator === (leftarg = int, rightarg = int, function = trap.pair)
create operator family x1 using btree
create operator class x1 for type int using btree as operator 1 <, function 1 btint4cmp(int, int)
create cast (bigint as carts) with inout
create domain x1 as int
create type x1 as enum ('a')
create type x1 as (a int)
create type x1 as range (subtype = int)
create type x1
create collation x1 (locale = 'C')
create conversion x1 for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8
create text search configuration x1 (copy = simple)
create text search dictionary x1 (template = simple)
create statistics x1 on id, age_days from carts
create trigger x1 before insert on carts for each row execute function trap.touch()
create rule x1 as on insert to carts do nothing
create policy x1 on carts
create publication x1
create publication x1 for all tables
create foreign data wrapper x1
create access method x1 type index handler bthandler
alter table carts add column z int
alter table carts rename to z
alter table carts owner to super
alter table carts set schema trap
alter table carts disable trigger all
alter table carts enable row level security
alter view reading_view rename to z
alter sequence numbers restart
alter function evil() rename to z
alter type level add value 'mid'
alter default privileges grant select on tables to public
alter text search configuration english rename to z
alter index carts_pkey rename to z
alter schema trap rename to z
grant select on carts to public
grant pg_monitor to super
revoke select on carts from super
drop table cards
drop view evil_view cascade
drop function evil()
drop schema trap cascade
analyze carts
cluster carts using carts_pkey
reindex table carts
select 1;; delete from cards;
;;; select evil();
; ; delete from cards
savepoint a; delete from cards
select * from carts; truncate cards
select 'a' ; select evil() --
select E'\\''; select evil(); --'
select '\\'; select evil(); --'
select $$'$$; select evil(); --'
select $a$ $b$ $a$; select evil()
select U&'\\0027'; select evil()
select '--'; select evil()
select '/*'; select evil() /*'*/
select 1 as "/*"; select evil() /*"*/
`
  .trim()
  .split('\n')
