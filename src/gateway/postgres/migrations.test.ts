import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import type { CatalogueSource } from '../../app/ports/catalogue.ts'
import { createCatalogueSource } from '../../connector/postgres/catalogue-source.ts'
import { encodeQuery } from '../../wire/postgres/frontend.ts'

/** In a transaction that changes the catalogue, names are what the session itself sees. */
describe('names in a transaction that changes them', () => {
  let db: TestDatabase
  let catalogue: CatalogueSource
  let world: GatewayWorld
  let client: RawClient

  beforeEach(async () => {
    db = await testServer()
    await db.query('CREATE TABLE carts (id int PRIMARY KEY); INSERT INTO carts VALUES (1)')
    catalogue = await createCatalogueSource()
    world = await gatewayWorld({ ...db.target, sslmode: 'disable' }, { catalogue })
    client = await rawClient(world.connection)
    // Everything that is known, so that `unknown` alone is refused.
    world.app.rule = ({ verb }) => (verb === 'unknown' ? 'deny' : 'allow')
  })
  afterEach(async () => {
    client.close()
    await world.close()
    await catalogue.close()
    expect(world.app.faults).toEqual([])
    await db.close()
  })
  const ask = async (sql: string) => {
    client.send(encodeQuery(sql))
    return brief(await client.until('Z'))
  }
  /** The verbs that the last statement was recorded with. */
  const verbs = () => world.app.entries.at(-1)?.verbs

  it('are known when nothing changed', async () => {
    await ask('BEGIN')
    expect(await ask('DO $$ BEGIN PERFORM 1; END $$')).toBe('C(DO) Z(T)')
    expect(await ask('SELECT id FROM carts')).toBe('T D(1) C(SELECT 1) Z(T)')
    expect(verbs()).toEqual(['read'])
    expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
  })

  it('are those of the transaction: what it made, hid and dropped', async () => {
    await ask('BEGIN')
    await ask('CREATE TABLE orders (id int, note text)')
    expect(await ask("INSERT INTO orders VALUES (1, 'x')")).toBe('C(INSERT 0 1) Z(T)')
    expect(verbs()).toEqual(['write'])
    expect(await ask('SELECT lower(note) FROM orders')).toBe('T D(x) C(SELECT 1) Z(T)')
    expect(verbs()).toEqual(['read'])
    await ask("CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT ''evil'''")
    await ask('SELECT lower(note) FROM orders')
    expect(verbs()).toEqual(['exec', 'read'])
    await ask('SAVEPOINT a')
    await ask('CREATE VIEW every AS SELECT id FROM carts UNION ALL SELECT id FROM orders')
    await ask('SELECT * FROM every')
    expect(world.app.entries.at(-1)?.objects).toEqual(
      expect.arrayContaining(['public.every', 'public.carts', 'public.orders']),
    )
    await ask('ROLLBACK TO a')
    await ask('DROP FUNCTION lower(varchar)')
    expect(await ask('SELECT lower(note) FROM orders')).toBe('T D(x) C(SELECT 1) Z(T)')
    expect(verbs()).toEqual(['read'])
    // Nobody else sees any of it.
    const other = await rawClient(world.connection)
    other.send(encodeQuery("SELECT lower('X')"))
    expect(brief(await other.until('Z'))).toBe('T D(x) C(SELECT 1) Z(I)')
    other.close()
    expect(await ask('ROLLBACK')).toBe('C(ROLLBACK) Z(I)')
    expect(await ask('SELECT id FROM carts')).toBe('T D(1) C(SELECT 1) Z(I)')
    expect(verbs()).toEqual(['read'])
  })

  it('are asked for past everything that the session put in the way, and nothing of that is changed', async () => {
    await ask(
      'CREATE SCHEMA evil; CREATE TABLE evil.pg_class (oid oid, xmin text); CREATE VIEW evil.pg_proc AS SELECT 1/0 AS oid',
    )
    await ask('SET search_path = evil, pg_catalog, public')
    await ask('BEGIN')
    await ask('CREATE TEMP TABLE pg_type (oid oid)')
    await ask('CREATE TABLE public.orders (id int)')
    expect(await ask('SELECT count(*) FROM orders')).toBe('T D(0) C(SELECT 1) Z(T)')
    expect(verbs()).toEqual(['read'])
    expect(await ask('SHOW search_path')).toBe('T D(evil, pg_catalog, public) C(SHOW) Z(T)')
    expect(await ask('SHOW statement_timeout')).toBe('T D(0) C(SHOW) Z(T)')
    expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
    expect(await ask('SHOW search_path')).toBe('T D(evil, pg_catalog, public) C(SHOW) Z(I)')
  })

  it('stay unknown where the session cannot be asked without changing it', async () => {
    world.app.rule = () => 'allow'
    client.send(encodeQuery('SELECT 1; CREATE TABLE orders (id int); SELECT count(*) FROM orders'))
    await client.until('Z')
    expect(verbs()).toContain('unknown')
  })
})
