import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { targetServers, testServer } from '../../../test/support/database.ts'
import { leftBehind, runWithin } from '../../../test/support/traces.ts'
import { isHarmlessBuiltIn } from '../../classify/postgres/functions.ts'

/** A value of each type that PostgreSQL's own functions take; NULL for the others. */
const VALUES: Readonly<Record<string, string>> = {
  _aclitem: `'{}'::aclitem[]`,
  _int4: 'array[1, 2]',
  _text: `array['a', 'b']`,
  aclitem: `'holdpoint=r/holdpoint'::aclitem`,
  any: '1',
  anyarray: 'array[1, 2]',
  anycompatible: '1',
  anycompatiblearray: 'array[1]',
  anycompatiblenonarray: '1',
  anyelement: '1',
  anymultirange: `'{[1,2]}'::int4multirange`,
  anynonarray: '1',
  anyrange: 'int4range(1, 3)',
  record: 'row(1, 2)',
  ...Object.fromEntries(
    String.raw`regclass numbers|oid 1259|name carts|text numbers|bool true|int2 1|int4 1|int8 1|float4 1.5|float8 1.5|numeric 1.5|json {"a":1}
jsonb {"a":1}|jsonpath $.a|xml <a/>|bytea \x41|timestamptz 2026-01-01|timestamp 2026-01-01|date 2026-01-01|time 10:00|timetz 10:00+00
interval 1 day|uuid 00000000-0000-0000-0000-000000000000|inet 1.2.3.4|cidr 1.2.3.0/24|macaddr 08:00:2b:01:02:03|macaddr8 08:00:2b:01:02:03:04:05
point (1,2)|box (1,1),(2,2)|path ((1,1),(2,2))|polygon ((1,1),(2,2),(3,1))|circle <(1,1),2>|lseg [(1,1),(2,2)]|line {1,2,3}|tsvector a b|tsquery a
regconfig english|regdictionary simple|regtype int4|regproc pg_backend_pid|regprocedure now()|regnamespace public|regrole holdpoint|pg_lsn 0/1
xid 100|xid8 100|tid (0,1)|bit 101|varbit 101|money 1|char a|bpchar a|varchar a|refcursor c|txid_snapshot 10:20:10|pg_snapshot 10:20:10
oidvector 1 2|int2vector 1 2`
      .split(/[|\n]/)
      .map((one) => {
        const at = one.indexOf(' ')
        const type = one.slice(0, at)
        return [type, `'${one.slice(at + 1)}'::pg_catalog."${type}"`]
      }),
  ),
}

describe.each(targetServers())('PostgreSQL $version', ({ url }) => {
  test('no built-in function that counts as harmless leaves a trace when it is called', async () => {
    const database = await testServer(url)
    const client = new pg.Client(database.url)
    const heard: string[] = []
    client.on('notification', (message) => heard.push(message.channel))
    await client.connect()
    await client.query(
      `create sequence numbers; create table carts (id int); insert into carts values (1); select nextval('numbers'); listen everything; set statement_timeout = '5s'`,
    )
    const { rows } = await client.query<{ name: string; types: string[] }>(
      `select proname::text as name, array(select t.typname::text from unnest(proargtypes) with ordinality a(o, i) join pg_type t on t.oid = a.o order by i) as types
       from pg_proc where pronamespace = 'pg_catalog'::regnamespace and oid < 16384 and prokind = 'f'
         and not proargtypes::oid[] && array['internal', 'cstring', 'trigger', 'event_trigger']::regtype[]::oid[] order by proname, oid`,
    )
    const calls = rows
      .filter(({ name, types }) => isHarmlessBuiltIn(name, types.length))
      .map(({ name, types }) => {
        const values = types.map((type) => VALUES[type] ?? `null::pg_catalog."${type}"`)
        return `select * from pg_catalog."${name}"(${values.join(', ')}) limit 3`
      })
    const before = await leftBehind(client)
    const seen: unknown[] = []
    let ran = 0
    for (const sql of calls) {
      const { outcome, within } = await runWithin(client, sql)
      if (outcome === 'ran') ran++
      if (within !== '') seen.push({ sql, within })
    }
    const after = await leftBehind(client)
    await client.end()
    await database.close()
    expect(seen).toEqual([])
    expect(after).toEqual(before)
    expect(heard).toEqual([])
    expect(ran).toBeGreaterThan(2000)
  }, 60_000)
})
