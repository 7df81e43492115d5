import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld, HOLD } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld, Held } from '../../../test/support/gateway-world.ts'
import { brief, rawClient, textOf } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import type { GrantId } from '../../domain/ids.ts'
import type { Subject } from '../../domain/request/request.ts'
import { instant } from '../../domain/time.ts'
import { encodeBind, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../wire/postgres/frontend.ts'

/*
 * carts 1..20, each with two items that go with it by cascade; every delete is noted by a trigger, and a deferred one
 * notes it once more at the commit; `old_carts` is a view that a rule rewrites.
 */
const WORLD = `
CREATE TABLE carts (id int PRIMARY KEY, age int NOT NULL DEFAULT 1);
CREATE TABLE items (id int PRIMARY KEY, cart int REFERENCES carts ON DELETE CASCADE);
CREATE TABLE notes (what text);
CREATE TABLE later (what text);
CREATE TABLE parts (id int, day int) PARTITION BY LIST (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
INSERT INTO parts SELECT n, 1 FROM generate_series(1, 5) n;
INSERT INTO carts SELECT n, n FROM generate_series(1, 20) n;
INSERT INTO items SELECT n, (n + 1) / 2 FROM generate_series(1, 40) n;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN IF OLD.age > 10 THEN INSERT INTO notes VALUES ('gone'); END IF; RETURN OLD; END $$;
CREATE TRIGGER noted BEFORE DELETE ON carts FOR EACH ROW EXECUTE FUNCTION note();
CREATE FUNCTION note_later() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO later SELECT 'later' FROM generate_series(1, 7); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER noted_later AFTER UPDATE ON carts DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION note_later();
CREATE VIEW old_carts AS SELECT * FROM carts WHERE age > 10;
CREATE RULE old_gone AS ON DELETE TO old_carts DO INSTEAD DELETE FROM carts WHERE id = OLD.id;
`

describe('an agreed number of rows', () => {
  let db: TestDatabase
  let world: GatewayWorld
  let client: RawClient

  beforeEach(async () => {
    db = await testServer()
    await db.query(WORLD)
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' })
    client = await rawClient(world.connection)
  })
  afterEach(async () => {
    client.close()
    await world.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const agree = (rowCap: number | undefined) => {
    world.app.onStart = () => ({
      kind: 'go',
      grant: 'G-1' as GrantId,
      expiresAt: instant(Date.now() + 900_000),
      ...(rowCap === undefined ? {} : { rowCap }),
    })
  }
  const approveNext = (): Promise<Held> =>
    world.app.nextHold().then((held) => {
      held.approve()
      return held
    })
  const read = async (...parts: Buffer[]) => {
    client.send(...parts)
    const messages = await client.until('Z')
    return {
      said: brief(messages.filter(({ type }) => type !== 'N')),
      error: textOf(messages.find(({ type }) => type === 'E')),
    }
  }
  const ask = (sql: string) => read(encodeQuery(sql))
  const held = (sql: string) => {
    void approveNext()
    return ask(sql)
  }
  const extended = (sql: string, ...more: Buffer[]) => {
    void approveNext()
    return read(encodeParse('', sql), encodeBind('', ''), encodeExecute(''), ...more, SYNC)
  }
  const carts = async () => (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM carts'))[0]?.n
  const items = async () => (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM items'))[0]?.n
  const last = () => world.app.finished.at(-1)
  const touched = () =>
    last()?.touched?.map(({ object, inserted, updated, deleted }) => [object, inserted, updated, deleted])

  it('holds with cascades and triggers counted, and leaves nothing behind when it does not', async () => {
    agree(14)
    expect(await held('DELETE FROM carts WHERE id <= 5')).toEqual({
      said: 'E(54000) Z(I)',
      error: 'HP-142 would have touched 15 rows, 14 were agreed; rolled back',
    })
    expect(await carts()).toBe(20)
    expect(last()).toMatchObject({ outcome: 'failed', sqlstate: '54000', overCap: true, rows: 5 })
    agree(15)
    expect((await held('DELETE FROM carts WHERE id <= 5')).said).toBe('C(DELETE 5) Z(I)')
    expect(await carts()).toBe(15)
    expect(touched()).toEqual([
      ['public.carts', 0, 0, 5],
      ['public.items', 0, 0, 10],
    ])
    // What a trigger writes, and what a rule makes of another statement.
    agree(3)
    expect((await held('DELETE FROM old_carts WHERE id = 11')).said).toBe('E(54000) Z(I)')
    agree(4)
    expect((await held('DELETE FROM old_carts WHERE id = 11')).said).toBe('C(DELETE 1) Z(I)')
    expect(touched()).toEqual([
      ['public.carts', 0, 0, 1],
      ['public.items', 0, 0, 2],
      ['public.notes', 1, 0, 0],
    ])
  })

  it('holds for what is done before the first rows are taken, and for cursors that take them later', async () => {
    agree(2)
    const gone = 'DELETE FROM items WHERE id > 10 RETURNING id'
    const one = Buffer.from(encodeExecute('p'))
    one.writeInt32BE(1, one.length - 4)
    const part = [encodeParse('', gone), encodeBind('p', ''), one]
    void approveNext()
    expect((await read(...part, SYNC)).said).toBe('1 2 D(11) s E(54000) Z(I)')
    expect(await items()).toBe(40)
    await ask('BEGIN')
    void approveNext()
    expect((await read(...part, SYNC)).said).toBe('1 2 D(11) s E(54000) Z(E)')
    await ask('COMMIT')
    expect(await items()).toBe(40)
    // FETCH runs what was bound as Execute does.
    const fetch = [encodeParse('', 'FETCH ALL FROM p'), encodeBind('', ''), encodeExecute('')]
    void approveNext()
    expect((await read(encodeParse('', gone), encodeBind('p', ''), ...fetch, SYNC)).said).toContain('E(0A000)')
    expect(await items()).toBe(40)
    await ask('BEGIN')
    void approveNext()
    await read(encodeParse('', gone), encodeBind('p', ''), SYNC)
    expect((await ask('MOVE ALL IN p')).said).toBe('E(0A000) Z(E)')
    await ask('COMMIT')
    expect(await items()).toBe(40)
  })

  it('counts what was not capped too, partitions under what they are part of', async () => {
    agree(undefined)
    expect((await held('UPDATE parts SET id = 0')).said).toBe('C(UPDATE 5) Z(I)')
    expect(last()).toMatchObject({
      outcome: 'succeeded',
      touched: [{ object: 'public.parts_1', within: ['public.parts'], inserted: 0, updated: 5, deleted: 0 }],
    })
    expect(last()?.durationMicros).toBeGreaterThan(0)
  })

  it('counts deferred triggers before the commit, whatever the protocol', async () => {
    agree(7)
    expect((await held('UPDATE carts SET age = 0 WHERE id = 1')).said).toBe('E(54000) Z(I)')
    expect((await extended('UPDATE carts SET age = 0 WHERE id = 1')).said).toBe('1 2 C(UPDATE 1) E(54000) Z(I)')
    expect(await db.query('SELECT FROM later')).toHaveLength(0)
    agree(8)
    expect((await held('UPDATE carts SET age = 0 WHERE id = 1')).said).toBe('C(UPDATE 1) Z(I)')
    expect((await extended('UPDATE carts SET age = 0 WHERE id = 1')).said).toBe('1 2 C(UPDATE 1) Z(I)')
    expect(await db.query('SELECT FROM later')).toHaveLength(14)
  })

  it('counts deferred triggers before whatever else commits a pipeline', async () => {
    agree(7)
    const change = (id: number) => [
      encodeParse('', `UPDATE carts SET age = 0 WHERE id = ${id}`),
      encodeBind('', ''),
      encodeExecute(''),
    ]
    void approveNext()
    expect((await read(...change(1), encodeQuery('SELECT 1'), SYNC)).said).toBe('1 2 C(UPDATE 1) E(54000) Z(I)')
    const commit = [encodeParse('', 'COMMIT'), encodeBind('', ''), encodeExecute('')]
    void approveNext()
    expect((await read(...change(1), ...commit, SYNC)).said).toContain('E(54000) Z(I)')
    void approveNext()
    expect((await read(...change(1), ...commit, encodeQuery('SELECT 1'), SYNC)).said).toContain('E(54000) Z(I)')
    expect(await db.query('SELECT FROM later')).toHaveLength(0)
    // Each by its own number, however large the next one's is.
    void approveNext().then(approveNext)
    expect((await read(...change(1), ...change(2), SYNC)).said).toBe('1 2 C(UPDATE 1) E(54000) Z(I)')
    expect(await db.query('SELECT FROM later')).toHaveLength(0)
    agree(8)
    void approveNext()
    expect((await read(...change(3), ...commit, SYNC)).said).toMatch(/^1 2 C\(UPDATE 1\) 1 2 (N )?C\(COMMIT\) Z\(I\)$/)
    void approveNext().then(approveNext)
    expect((await read(...change(1), ...change(2), SYNC)).said).toBe('1 2 C(UPDATE 1) 1 2 C(UPDATE 1) Z(I)')
  })

  it('holds for a procedure in a pipeline, which may commit what went before', async () => {
    const call = (id: number) => [
      encodeParse('', `DO $$ BEGIN DELETE FROM items WHERE id <= ${id}; END $$`),
      encodeBind('', ''),
      encodeExecute(''),
    ]
    agree(3)
    void approveNext()
    expect((await read(...call(4), SYNC)).said).toBe('1 2 E(54000) Z(I)')
    void approveNext()
    expect((await read(...call(3), SYNC)).said).toBe('1 2 C(DO) Z(I)')
    expect(await items()).toBe(37)
  })

  it('holds in the extended protocol, and the unnamed statement outlives the counting', async () => {
    agree(2)
    expect(await extended('DELETE FROM carts WHERE id = 1')).toEqual({
      said: '1 2 E(54000) Z(I)',
      error: 'HP-142 would have touched 3 rows, 2 were agreed; rolled back',
    })
    expect(await carts()).toBe(20)
    agree(3)
    client.send(encodeParse('', 'DELETE FROM carts WHERE id = 1'), SYNC)
    expect(brief(await client.until('Z'))).toBe('1 Z(I)')
    void approveNext()
    expect((await read(encodeBind('', ''), encodeExecute(''), SYNC)).said).toBe('2 C(DELETE 1) Z(I)')
    void approveNext()
    expect((await read(encodeBind('', ''), encodeExecute(''), SYNC)).said).toBe('2 C(DELETE 0) Z(I)')
    expect(await carts()).toBe(19)
  })

  it('holds for each portal that is executed in parts, in total', async () => {
    const sql = 'DELETE FROM items WHERE id <= 6 RETURNING id'
    const portal = (rows: number) => {
      const execute = Buffer.from(encodeExecute(''))
      execute.writeInt32BE(rows, execute.length - 4)
      return execute
    }
    agree(5)
    void approveNext()
    expect((await read(encodeParse('', sql), encodeBind('', ''), portal(4), portal(0), SYNC)).said).toMatch(
      /^1 2 (D\(\d+\) ){4}s E\(54000\) Z\(I\)$|^1 2 (D\(\d+\) ){4}s (D\(\d+\) )*E\(54000\) Z\(I\)$/,
    )
    expect(await db.query('SELECT FROM items')).toHaveLength(40)
  })

  it('fails the transaction that it stands in, and takes only what it did itself', async () => {
    agree(3)
    await ask('BEGIN')
    expect((await held('DELETE FROM carts WHERE id = 1')).said).toBe('C(DELETE 1) Z(T)')
    expect((await held('DELETE FROM carts WHERE id = 2')).said).toBe('C(DELETE 1) Z(T)')
    expect((await held('DELETE FROM carts WHERE id IN (3, 4)')).said).toBe('E(54000) Z(E)')
    expect((await ask('SELECT 1')).said).toBe('E(25P02) Z(E)')
    expect((await ask('COMMIT')).said).toBe('C(ROLLBACK) Z(I)')
    expect(await carts()).toBe(20)
    await ask('BEGIN')
    expect((await extended('DELETE FROM carts WHERE id = 1')).said).toBe('1 2 C(DELETE 1) Z(T)')
    expect((await extended('DELETE FROM carts WHERE id IN (3, 4)')).said).toBe('1 2 E(54000) Z(E)')
    expect((await ask('ROLLBACK')).said).toBe('C(ROLLBACK) Z(I)')
    expect(await carts()).toBe(20)
  })

  it('says what the target says, in its order: rows, errors, several statements, the status', async () => {
    agree(100)
    expect((await held('DELETE FROM items WHERE id = 1 RETURNING id')).said).toMatch(
      /^T D\(\d+\) C\(DELETE 1\) Z\(I\)$/,
    )
    expect(
      (await held('DELETE FROM items WHERE id = 2; SELECT 1 AS one; DELETE FROM items WHERE id = 3')).said,
    ).toMatch(/^C\(DELETE 1\) T D\(\d+\) C\(SELECT 1\) C\(DELETE 1\) Z\(I\)$/)
    expect((await held('DELETE FROM items WHERE id = 4; DELETE FROM items WHERE id = 1 / (id - 5)')).said).toBe(
      'C(DELETE 1) E(22012) Z(I)',
    )
    expect((await held('DELETE FROM carts WHERE id = 1 / 0')).said).toBe('E(22012) Z(I)')
    expect(last()).toMatchObject({ outcome: 'failed', sqlstate: '22012' })
    expect(await db.query('SELECT FROM items')).toHaveLength(37)
    // Nothing that brackets it is in the way of what follows.
    expect((await ask('SELECT 1')).said).toMatch(/^T D\(\d+\) C\(SELECT 1\) Z\(I\)$/)
  })

  it('counts over whatever the session has put in front of the catalogue', async () => {
    agree(2)
    await db.query(`CREATE SCHEMA evil; CREATE TABLE evil.pg_stat_xact_all_tables (relid oid);
      CREATE FUNCTION evil.no(name, name) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
      CREATE OPERATOR evil.<> (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.no)`)
    await ask('SET search_path = evil, pg_catalog, public')
    expect((await held('DELETE FROM public.carts WHERE id = 1')).error).toBe(
      'HP-142 would have touched 3 rows, 2 were agreed; rolled back',
    )
  })

  it('tells the approver before, where no number can hold', async () => {
    agree(1)
    const capped = { ...HOLD, terms: { ...HOLD.terms, rowCap: { rows: 1 } } }
    world.app.rule = (action) => (['connect', 'read'].includes(action.verb) ? 'allow' : capped)
    const subject = async (sql: string) => {
      const asked = approveNext()
      const { said } = await ask(sql)
      return { said, subject: (await asked).input.subject as Extract<Subject, { kind: 'statement' }> }
    }
    const vacuum = await subject('VACUUM carts')
    expect(vacuum.said).toBe('C(VACUUM) Z(I)')
    expect(vacuum.subject).toMatchObject({
      uncapped: 'the rows that VACUUM touches are not counted',
      notCovered: ['how many rows it touches (the rows that VACUUM touches are not counted)'],
    })
    expect((await subject('TRUNCATE items')).subject.uncapped).toContain('TRUNCATE')
    expect((await subject('BEGIN; DELETE FROM carts WHERE id = 20; COMMIT')).subject.uncapped).toContain('transactions')
    expect((await subject('DELETE FROM carts WHERE id = 19')).subject).toMatchObject({ notCovered: [] })
    expect(last()).toMatchObject({ overCap: true })
  })

  it('is never run uncounted where the target does not count', async () => {
    agree(100)
    await db.query(`ALTER DATABASE "${db.target.database}" SET track_counts = off`)
    client.close()
    client = await rawClient(world.connection)
    const asked = world.app.nextHold()
    client.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
    const now = await asked
    expect(now.input.subject).toMatchObject({ uncapped: 'the target does not count (track_counts is off)' })
    now.approve()
    const messages = await client.until('Z')
    expect(brief(messages.filter(({ type }) => type !== 'N'))).toBe('E(58000) Z(I)')
    expect(await carts()).toBe(20)
  })

  it('holds for what runs under a window whose reviewers set one', async () => {
    world.app.covers = () => Date.now() + 900_000
    world.app.coversRows = 2
    expect((await ask('DELETE FROM carts WHERE id = 1')).error).toBe(
      'HP-9 would have touched 3 rows, 2 were agreed; rolled back',
    )
    world.app.coversRows = 3
    expect((await ask('DELETE FROM carts WHERE id = 1')).said).toBe('C(DELETE 1) Z(I)')
  })

  it('leaves nothing behind when the session is cut between the statement and the commit', async () => {
    // Deferred work that waits keeps the moment between the two open.
    const holder = new pg.Client(db.url)
    await holder.connect()
    await holder.query('SELECT pg_advisory_lock(7)')
    await db.query(`CREATE OR REPLACE FUNCTION note_later() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$`)
    agree(100)
    void approveNext()
    client.send(encodeQuery('UPDATE carts SET age = 99 WHERE id = 1'))
    const waiting = async () =>
      (
        await db.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'",
        )
      ).length
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1)
    world.app.cut({ reason: 'cut', why: 'HP-142 ended (revoked)' })
    await client.toEnd()
    await expect.poll(waiting, { timeout: 10_000 }).toBe(0)
    await holder.end()
    expect(await db.query('SELECT FROM carts WHERE age = 99')).toHaveLength(0)
    expect(world.app.finished).toEqual([])
  })
})
