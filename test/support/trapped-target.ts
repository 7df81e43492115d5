import { testServer, type TestDatabase } from './database.ts'

/**
 * A target on which everything that the catalogue lets one define by oneself is a trap: each advances the sequence
 * `trap.sprung`, which no rollback puts back. `url`: of one of `targetServers`.
 */
export async function trappedTarget(url?: string): Promise<TestDatabase & { sprung(): Promise<number> }> {
  const database = await testServer(url)
  await database.query(TRAPS)
  return {
    ...database,
    async sprung() {
      const [row] = await database.query<{ n: string }>('select last_value + is_called::int as n from trap.sprung')
      return Number(row?.n)
    },
  }
}

const TRAPS =
  `
create schema trap;
create sequence trap.sprung;
create sequence public.numbers;
create table public.carts (id int primary key, age_days int not null default 0, note text, tags text[], body jsonb, at timestamptz default now());
create table public.cards (id int primary key, cart int references carts, pan text);
insert into carts select i, i % 100, 'note ' || i, array['a','b'], '{"a": 1}' from generate_series(1, 50) i;
insert into cards select i, i, '4111' from generate_series(1, 50) i;

-- Declared immutable, so that planning alone springs it.
create function trap.spring() returns bigint volatile language sql as 'select nextval(''trap.sprung'')';
create function trap.evil(int) returns int immutable language plpgsql as 'begin perform trap.spring(); return 1; end';
create function trap.truth(int) returns boolean immutable language plpgsql as 'begin perform trap.spring(); return true; end';
create function public.evil() returns int immutable language plpgsql as 'begin return trap.evil(1); end';
create function public.evil(int) returns int immutable language plpgsql as 'begin return trap.evil(1); end';

-- Hides a built-in function for arguments that fit better.
create function public.lower(varchar) returns text immutable language plpgsql as 'begin perform trap.spring(); return ''x''; end';
create function public.abs(numeric, int) returns int immutable language plpgsql as 'begin return trap.evil(1); end';
create function public.json_scalar(int) returns int immutable language plpgsql as 'begin return trap.evil(1); end';
-- Called by t.secret and (x).secret.
create function public.secret(carts) returns int immutable language plpgsql as 'begin return trap.evil(1); end';
create function public.many(variadic carts[]) returns int immutable language plpgsql as 'begin return trap.evil(1); end';
create function public.any_one(anyelement) returns int immutable language plpgsql as 'begin return trap.evil(1); end';
create function public.doubled(int) returns int immutable language plpgsql as 'begin return trap.evil(1); end';
create aggregate public.total(int) (sfunc = trap.add, stype = int, initcond = '0');
`.replace(
    'create aggregate',
    `create function trap.add(int, int) returns int immutable language plpgsql as 'begin return trap.evil(1); end';
create aggregate`,
  ) +
  `
create function trap.same(int, varchar) returns boolean immutable language plpgsql as 'begin return trap.truth(1); end';
create operator public.<< (leftarg = int, rightarg = varchar, function = trap.same);
create operator trap.<=> (leftarg = int, rightarg = int, function = trap.pair);
`.replace(
    'create operator trap.<=>',
    `create function trap.pair(int, int) returns boolean immutable language plpgsql as 'begin return trap.truth(1); end';
create operator trap.<=>`,
  ) +
  `
create domain public.checked as int check (trap.truth(value));
create domain public.plain as int check (value > 0);
create type public.pair as (a checked, b int);
create type public.mood as enum ('glad', 'sad');
create function trap.mood_text(mood) returns varchar immutable language plpgsql as 'begin perform trap.spring(); return ''x''; end';
create cast (mood as varchar) with function trap.mood_text(mood) as implicit;
create function trap.carts_json(carts) returns json immutable language plpgsql as 'begin perform trap.spring(); return ''{}''; end';
create type public.level as enum ('low', 'high');
create table public.moods (id int, mood mood);
create table public.levels (id int, level level);
create table public.checked_rows (id int, c checked, cs checked[]);
insert into moods values (1, 'glad'); insert into levels values (1, 'low');

create view public.evil_view as select trap.evil(1) as x;
create view public.evil_twice as select * from evil_view;
create view public.counting_view as select nextval('public.numbers') as n;
create view public.reading_view as select id, age_days from carts;
create view public.locking_view as select id from carts for update;
create materialized view public.kept as select count(*) as n from carts;
create table public.guarded (id int); insert into guarded values (1);
alter table guarded enable row level security; alter table guarded force row level security;
create policy p on guarded using (trap.truth(id));
create table public.simplified (id int); create index on simplified ((trap.evil(1) + id));
create table public.ruled (id int); create rule r as on insert to ruled do also select trap.evil(1);
create table public.defaulted (id int, d int default trap.evil(1));
create table public.parent (id int) partition by list (id); create table public.child partition of parent for values in (1);
create schema "a.b"; create view "a.b"."c" as select trap.evil(1) as x;
create function trap.touch() returns trigger language plpgsql as 'begin perform trap.spring(); return new; end';
create trigger touched before insert or update on cards for each row execute function trap.touch();

-- What an index, a partition key, a range or a check calls without being named.
create function trap.int_cmp(int, int) returns int immutable language plpgsql as 'begin perform trap.spring(); return $1 - $2; end';
create function trap.int_hash(int, bigint) returns bigint immutable language plpgsql as 'begin perform trap.spring(); return $1; end';
create operator class trap.int_ops for type int using btree as operator 1 pg_catalog.<, operator 2 pg_catalog.<=, operator 3 pg_catalog.=, operator 4 pg_catalog.>=, operator 5 pg_catalog.>, function 1 trap.int_cmp(int, int);
create operator class trap.int_hash_ops for type int using hash as operator 1 pg_catalog.=, function 2 trap.int_hash(int, bigint);
create table public.indexed (id int, note text); create index on indexed (id trap.int_ops);
insert into indexed select i, 'x' from generate_series(1, 2000) i; analyze indexed;
create table public.hashed (id int) partition by hash (id trap.int_hash_ops);
create table public.hashed_0 partition of hashed for values with (modulus 2, remainder 0);
create table public.hashed_1 partition of hashed for values with (modulus 2, remainder 1);
create table public.keyed (id int) partition by list ((trap.evil(1) + id));
create table public.keyed_1 partition of keyed for values in (2);
create type public.span as range (subtype = int, subtype_opclass = trap.int_ops);
create materialized view public.kept_evil as select trap.evil(1) as x;
create view public.seen_barrier with (security_barrier) as select * from carts where trap.truth(id);
create domain public.counted as int check (nextval('public.numbers') > 0);
create domain public.twice_checked as checked;
create procedure public.nothing() language plpgsql as 'begin perform trap.spring(); end';
create function public.as_owner() returns int security definer language plpgsql as 'begin perform trap.spring(); return 1; end';
create function public.named(a int default 1, b int default 2) returns int language plpgsql as 'begin perform trap.spring(); return 1; end';
create function public.varia(variadic int[]) returns int language plpgsql as 'begin perform trap.spring(); return 1; end';
create function public."Quoted Fn"() returns int language plpgsql as 'begin perform trap.spring(); return 1; end';
create view public."Mixed Case" as select trap.evil(1) as x;
create view public.v${'v'.repeat(62)} as select trap.evil(1) as x;
create view public."évil" as select trap.evil(1) as x;
create view public.pg_tables as select trap.evil(1) as x;

-- SQL functions, whose bodies can be read; and what only seems to compute.
create function public.tidy(text) returns text immutable language sql as 'select upper(btrim($1))';
create function public.tidy_twice(text) returns text language sql as 'select public.tidy(tidy($1)) || 1';
create function public.tidy_body(a text) returns text immutable return upper(a);
create function public.hidden(text) returns text language sql as 'select upper($1) || evil()';
create function public.hidden_deeper(text) returns text language sql as 'select public.hidden($1)';
create function public.overloaded(int) returns int language sql as 'select $1';
create function public.overloaded(text) returns int language sql as 'select evil()';
create function public.through_overloaded(int) returns int language sql as 'select overloaded($1)';
create function public.by_default(a int default evil()) returns int language sql as 'select $1';
create function public.takes_checked(checked) returns int language sql as 'select 1';
create function public.gives_checked() returns checked language sql as 'select 5';
create function public.writes_cards() returns bigint language sql as 'with d as (delete from cards returning 1) select count(*) from d';
create function public.counts_cards() returns bigint language sql as 'select count(*) from cards';
create function public.with_rights() returns int security definer language sql as 'select 1';
create function public.with_setting() returns int set search_path = trap language sql as 'select 1';
create function public.many_bodies() returns int language sql as 'select nextval(''public.numbers''); select 1';
create function public.itself(int) returns int language sql as 'select 1';
create or replace function public.itself(int) returns int language sql as 'select itself($1)';
create function public.any_row(anyelement) returns text language sql as 'select $1::text';
create function public.no_body() returns void language sql as '';
create function public.aliased(text) returns text language sql as 'select t.secret::text from public.carts t limit 1';
select setval('trap.sprung', 1, false);
`
