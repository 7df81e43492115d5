import { expect, test } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import { severedLine } from '../../../test/support/severed-line.ts'
import { createConnections } from './connect.ts'

test('a target that dies in the middle of a question rejects it, and the next use makes another connection', async () => {
  const database = await testServer()
  const line = await severedLine(database.target)
  const { host, user, password, database: name } = database.target
  const target = { host, port: line.port, user, password, database: name, sslmode: 'disable' as const }
  const connections = createConnections()
  const on = connections.on(target, name)
  try {
    // Nobody may hear of it but whoever asked: an event that nobody hears would end the process.
    for (const text of ['select pg_sleep(60)', 'select 1']) {
      const asked = on(async (client) => {
        await client.query('select 1')
        const running = client.query(text)
        line.sever()
        return await running
      })
      await expect(asked).rejects.toThrow()
    }
    expect(await on(async (client) => (await client.query('select 1 as one')).rows)).toEqual([{ one: 1 }])
  } finally {
    await connections.close()
    await line.close()
    await database.close()
  }
})

test('many who ask a target without TLS at once, which `prefer` allows, all get their answer', async () => {
  const database = await testServer()
  const { host, port, user, password, database: name } = database.target
  const target = { host, port, user, password, database: name, sslmode: 'prefer' as const }
  const connections = createConnections()
  try {
    const asked = Array.from({ length: 20 }, () =>
      connections.on(target, name)(async (client) => (await client.query('select 1 as one')).rows),
    )
    expect(await Promise.all(asked)).toEqual(asked.map(() => [{ one: 1 }]))
  } finally {
    await connections.close()
    await database.close()
  }
})
