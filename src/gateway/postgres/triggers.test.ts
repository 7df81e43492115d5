import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { targetServers, testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import type { CatalogueSource } from '../../app/ports/catalogue.ts'
import { createCatalogueSource } from '../../connector/postgres/catalogue-source.ts'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../wire/postgres/frontend.ts'

/** `shown.cards` may be read, `kept.cards` may not; `steer` makes of the one name the other. */
const WORLD = `
CREATE SCHEMA shown; CREATE SCHEMA kept;
CREATE TABLE shown.cards (id int); CREATE TABLE kept.cards (id int); INSERT INTO kept.cards VALUES (4111);
CREATE TABLE public.plain (id int PRIMARY KEY, note text DEFAULT 'none' CHECK (length(note) < 100));
CREATE TABLE public.lines (id int, plain int REFERENCES public.plain);
CREATE FUNCTION public.steer() RETURNS int LANGUAGE plpgsql AS $$
  BEGIN PERFORM set_config('search_path', 'kept', false); RETURN 1; END $$;
CREATE FUNCTION public.steers(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
  BEGIN PERFORM set_config('search_path', 'kept', false); RETURN true; END $$;
CREATE FUNCTION public.steer_row() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN PERFORM public.steer(); RETURN coalesce(NEW, OLD); END $$;
CREATE TABLE public.fired (id int);
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON public.fired FOR EACH ROW EXECUTE FUNCTION public.steer_row();
CREATE TRIGGER tt AFTER TRUNCATE ON public.fired EXECUTE FUNCTION public.steer_row();
CREATE VIEW public.fired_view AS SELECT id FROM public.fired;
CREATE TABLE public.ruled (id int); CREATE RULE r AS ON INSERT TO public.ruled DO ALSO INSERT INTO public.fired VALUES (NEW.id);
CREATE TABLE public.defaulted (id int, d int DEFAULT public.steer());
CREATE TABLE public.checked (id int CHECK (public.steers(id)));
CREATE TABLE public.built_in (id int, d text DEFAULT set_config('search_path', 'kept', false));
CREATE TABLE public.built_in_check (id int CHECK (set_config('search_path', 'kept', false) <> ''));
CREATE TABLE public.parent (id int PRIMARY KEY);
CREATE TABLE public.child (id int, parent int REFERENCES public.parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TRIGGER t AFTER UPDATE OR DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.steer_row();
CREATE TABLE public.trunk (id int PRIMARY KEY);
CREATE TABLE public.twig (trunk int REFERENCES public.trunk);
CREATE TRIGGER t AFTER TRUNCATE ON public.twig EXECUTE FUNCTION public.steer_row();
CREATE TABLE public.parted (id int) PARTITION BY LIST (id); CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE TRIGGER t AFTER INSERT ON public.parted_1 FOR EACH ROW EXECUTE FUNCTION public.steer_row();
CREATE TABLE public.late (id int);
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON public.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.steer_row();
`

const SUPPLY = `DELETE FROM public.fired; DELETE FROM public.parent;
INSERT INTO public.fired SELECT generate_series(1000, 1003); INSERT INTO public.parent VALUES (1), (2);
INSERT INTO public.child VALUES (1, 1), (2, 2)`

const READ = 'select count(*) from cards'

describe.each(targetServers())('what a change sets off in the session, on PostgreSQL $version', ({ url }) => {
  let db: TestDatabase
  let catalogue: CatalogueSource
  let world: GatewayWorld
  let client: RawClient

  beforeAll(async () => {
    db = await testServer(url)
    await db.query(WORLD)
    catalogue = await createCatalogueSource()
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { catalogue })
    world.app.rule = ({ verb, facts }) =>
      ['connect', 'read', 'write', 'delete'].includes(verb) && facts.sql?.tables.includes('kept.cards') !== true
        ? 'allow'
        : 'deny'
  })
  afterAll(async () => {
    await world.close()
    await catalogue.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const ask = async (sql: string) => {
    client.send(encodeQuery(sql))
    return brief(await client.until('Z')).replaceAll(' S ', ' ')
  }
  const fresh = async () => {
    client = await rawClient(world.connection)
    expect(await ask(`set search_path = 'shown'`)).toBe('C(SET) Z(I)')
    expect(await ask(READ)).toBe('T D(0) C(SELECT 1) Z(I)')
  }

  it.each([
    'insert into public.fired values (1)',
    'update public.fired set id = id where id = 1000',
    'delete from public.fired where id = 1001',
    'merge into public.fired f using (values (1002)) v(id) on f.id = v.id when matched then delete',
    'with d as (delete from public.fired where id = 1003 returning 1) select * from d',
    'insert into public.fired_view values (2)',
    'insert into public.ruled values (3)',
    'insert into public.defaulted values (1)',
    'insert into public.checked values (1)',
    'insert into public.built_in values (1)',
    'insert into public.built_in_check values (1)',
    'delete from public.parent where id = 1',
    'update public.parent set id = 20 where id = 2',
    'insert into public.parted values (1)',
    'insert into public.late values (1)',
    'explain analyze insert into public.fired values (4)',
    'truncate public.trunk cascade',
    'truncate public.fired',
  ])('%s', async (change) => {
    await db.query(SUPPLY)
    await fresh()
    expect(await ask(change)).toMatch(/Z\(I\)$/)
    expect(await ask(READ)).toBe('E(42501) Z(I)')
    client.close()
    await db.query(SUPPLY)
    await fresh()
    // However fast it is asked behind it, and in the same text.
    client.send(encodeQuery(change), encodeQuery(READ))
    await client.until('Z')
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
    await ask(`set search_path = 'shown'`)
    expect(await ask(`${change}; ${READ}`)).toBe('E(42501) Z(I)')
    client.close()
  })

  it('by what was prepared, and in a pipeline', async () => {
    await fresh()
    await ask('prepare p as insert into public.fired values (5)')
    expect(await ask(READ)).toContain('D(0)')
    expect(await ask('execute p')).toBe('C(INSERT 0 1) Z(I)')
    expect(await ask(READ)).toBe('E(42501) Z(I)')
    await ask(`set search_path = 'shown'`)
    await ask(`prepare q as select set_config('search_path', 'kept', false)`)
    expect(await ask(`execute q; ${READ}`)).toBe('E(42501) Z(I)')
    expect(await ask('execute q')).toContain('C(SELECT 1) Z(I)')
    expect(await ask(READ)).toBe('E(42501) Z(I)')
    for (const table of ['fired', 'late']) {
      await ask(`set search_path = 'shown'`)
      client.send(
        encodeParse('', `insert into public.${table} values (6)`),
        encodeBind('', ''),
        encodeExecute(''),
        encodeParse('', READ),
        encodeBind('', ''),
        encodeExecute(''),
        SYNC,
      )
      expect(brief(await client.until('Z'))).toContain(table === 'fired' ? 'E(42501)' : 'D(0)')
      // What was refused took back what the trigger had set.
      expect(await ask(READ)).toContain(table === 'fired' ? 'D(0)' : 'E(42501)')
    }
    client.close()
  })

  it('by what is put off to the end of the transaction, or to the first row of a cursor', async () => {
    await fresh()
    await ask('begin')
    await ask('insert into public.late values (2)')
    expect(await ask(READ)).toContain('D(0)')
    expect(await ask(`commit; ${READ}`)).toBe('E(0A000) Z(E)')
    await ask('rollback')
    await ask('begin')
    await ask('insert into public.late values (2)')
    expect(await ask('commit')).toBe('C(COMMIT) Z(I)')
    expect(await ask(READ)).toBe('E(42501) Z(I)')
    for (const [begun, goOn] of [
      ['insert into public.late values (3)', 'set constraints all immediate'],
      [`declare c cursor for select set_config('search_path', 'kept', false)`, 'fetch c'],
      [`declare c cursor for select set_config('search_path', 'kept', false)`, 'move c'],
    ]) {
      await ask(`set search_path = 'shown'`)
      await ask('begin')
      await ask(begun ?? '')
      expect(await ask(READ)).toContain('D(0)')
      client.send(encodeQuery(goOn ?? ''), encodeQuery(READ))
      expect(brief(await client.until('Z'))).toMatch(/Z\(T\)$/)
      expect(brief(await client.until('Z'))).toContain('E(42501)')
      await ask('rollback')
      await ask('begin')
      await ask(begun ?? '')
      expect(await ask(`${goOn}; ${READ}`)).toMatch(/^E\(.*Z\(E\)$/)
      await ask('rollback')
    }
    client.close()
  })

  it('by a trigger that was made a moment ago', async () => {
    await fresh()
    expect(await ask('insert into public.plain values (1)')).toBe('C(INSERT 0 1) Z(I)')
    const looks = world.app.entries.length
    expect(await ask(`insert into public.plain values (2); ${READ}`)).toContain('D(0)')
    expect(world.app.entries.length).toBe(looks + 1)
    world.app.rule = () => 'allow'
    const trigger = 'CREATE TRIGGER t AFTER INSERT ON public.plain FOR EACH ROW EXECUTE FUNCTION public.steer_row()'
    await ask(trigger)
    world.app.rule = ({ verb, facts }) =>
      ['connect', 'read', 'write', 'delete'].includes(verb) && facts.sql?.tables.includes('kept.cards') !== true
        ? 'allow'
        : 'deny'
    expect(await ask('insert into public.plain values (3)')).toBe('C(INSERT 0 1) Z(I)')
    expect(await ask(READ)).toBe('E(42501) Z(I)')
    client.close()
  })

  it('nothing, where nothing hangs on a table', async () => {
    const watch = await catalogue.watch({ ...db.target, sslmode: 'disable' }, db.target.database)
    await watch.refresh()
    const own = watch.current()
    watch.release()
    expect(own?.relations.has('public.lines')).toBe(false)
    expect(own?.relations.get('public.fired')?.changeRuns).toBe(true)
    expect(own?.relations.get('public.parent')?.changeRuns).toBe(true)
    expect(own?.relations.get('public.trunk')?.changeRuns).toBeUndefined()
  })
})
