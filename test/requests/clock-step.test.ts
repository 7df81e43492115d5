import { afterEach, expect, test } from 'vitest'
import { millis } from '../../src/domain/time.ts'
import { approve, connectClient, requestsWorld, until, value } from '../support/requests-world.ts'

let close: () => Promise<void> = () => Promise.resolve()
afterEach(() => close())

const HOUR = 3_600_000

test("the database's clock steps back an hour: no grant and no request lasts longer, on any replica", async () => {
  const world = await requestsWorld()
  close = () => world.close()
  // The server's own clock cannot be set in a test: a function in front of it can, for connections that are new.
  const setClock = (by: number) =>
    world.query(`CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
      AS $$ SELECT pg_catalog.clock_timestamp() + interval '${by} ms' $$`)
  await setClock(0)
  await world.query(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`,
  )
  world.line.sever()
  const [first, second] = [await world.startProcess(), await world.startProcess()]
  const asked = await world.app.requestWindow(world.caller('ana'), {
    resource: 'shop-db',
    verbs: ['write'],
    length: millis(4_000),
  })
  const granted = value(await approve(world, 'mia', value(asked)))
  const client = await connectClient(world, first, 'ana')

  await setClock(-HOUR)
  await until(async () => (await world.query("SELECT FROM access_grant WHERE state = 'ended'")).length === 1, 'its end')
  const [grant] = await world.query<{ why: string; lasted: number }>(
    'SELECT why, (ended_at - starts_at)::int AS lasted FROM access_grant',
  )
  expect(grant?.why).toBe('expired')
  expect(grant?.lasted).toBeGreaterThanOrEqual(4_000)
  // The step was one: all go on ahead of that clock by as much.
  const ahead = async () => Number((await world.query<{ ahead: number }>('SELECT ahead FROM clock'))[0]?.ahead)
  await until(async () => Math.abs((await ahead()) - HOUR) < 60_000, 'the step is made up for')
  // Neither does it stand for anything any more, whoever asks.
  for (const process of [first, second])
    expect(await process.gateway.covered(client.input('DELETE FROM carts'))).toBeUndefined()
  expect(value(await world.app.getRequest(world.caller('ana'), granted.request.id)).grant).toMatchObject({
    state: 'ended',
  })
})
