import { afterAll, beforeAll, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.ts'
import type { TestDatabase } from '../../test/support/database.ts'
import { instant } from '../domain/time.ts'
import { openStore } from './open-store.ts'
import type { OpenStore } from './open-store.ts'

let database: TestDatabase
let opened: OpenStore
beforeAll(async () => {
  database = await testDatabase()
  opened = await openStore(database.url, () => undefined)
  await database.query(`INSERT INTO restoration (number, restored_at, backup_at, sessions, grants, keep_tokens)
    VALUES (1, 1000, 500, 10, 10, false)`)
  await database.query("INSERT INTO replica (id, started_at, heartbeat_at) VALUES ('r', 1, 1)")
})
afterAll(async () => {
  await opened.close()
  await database.close()
})

const unconfirmed = () => opened.store.restorations.unconfirmed(1)
const session = (number: number, state: string, more: Readonly<Record<string, number | string>> = {}) => {
  const columns = ['number', 'resource', 'state', ...Object.keys(more)]
  const values = [number, `db-${number}`, state, ...Object.values(more)]
  return database.query(
    `INSERT INTO session (principal, token, database, client, source_address, replica, target, opened_at, ${columns.join(', ')})
     VALUES ('ana', 'T-1', 'shop', 'psql', '::1', 'r', '{}', 1, ${values.map((_, i) => `$${i + 1}`).join(', ')})`,
    values,
  )
}
/** A session begins open; what became of it is its second state. */
const ended = async (number: number, why: string, backend: number | null) => {
  await session(number, 'open', backend === null ? {} : { backend_pid: backend })
  await database.query(`UPDATE session SET state = 'closed', why = '${why}', closed_at = 900 WHERE number = ${number}`)
}

test('what keeps a resource closed is what the target has not confirmed, of the time before the restore', async () => {
  expect(await unconfirmed()).toEqual([])
  await session(1, 'open')
  await ended(2, 'gateway_died', 42)
  await ended(3, 'cut', 43)
  // Ended by its own client, or before it had a backend: nothing is left of it.
  await ended(4, 'client_left', 44)
  await ended(5, 'gateway_died', null)
  // Of the time after the restore.
  await session(11, 'open')
  await ended(12, 'cut', 45)
  expect(await unconfirmed()).toEqual(['db-1', 'db-2', 'db-3'])

  await database.query("UPDATE session SET state = 'closed', why = 'gateway_died', closed_at = 1100 WHERE number = 1")
  await database.query('UPDATE session SET gone_at = 1100 WHERE number IN (2, 3)')
  expect(await unconfirmed()).toEqual([])
})

test('nor is one opened whose roles of single grants nobody has looked for since', async () => {
  await database.query(
    "INSERT INTO principal (name, kind, display_name, gateway_salt, created_at) VALUES ('ana', 'user', '', '', 1)",
  )
  await database.query("INSERT INTO revision (number, at, by, summary, unreviewed) VALUES (1, 1, 'ana', '{}', true)")
  await database.query(`INSERT INTO document (kind, name, since, body) VALUES
    ('Resource', 'role-db', 1, '{"access": "ephemeral"}'), ('Resource', 'other-db', 1, '{"access": "standing"}')`)
  expect(await unconfirmed()).toEqual(['role-db'])
  await database.query("INSERT INTO inventory (resource, begun_at, done_at) VALUES ('role-db', 900, 999)")
  expect(await unconfirmed()).toEqual(['role-db'])
  await database.query("UPDATE inventory SET done_at = 1000 WHERE resource = 'role-db'")
  expect(await unconfirmed()).toEqual([])
})

test('each step is noted once, in order, and none is taken back', async () => {
  const { restorations } = opened.store
  const [one] = await restorations.unsettled()
  expect(one).toEqual({ number: 1, backupAt: 500, keepTokens: false, ended: false, opened: false })
  await expect(restorations.noteOpened(1, instant(1_100))).rejects.toThrow()
  expect(await restorations.noteEnded(1, instant(1_100))).toBe(true)
  expect(await restorations.noteEnded(1, instant(1_200))).toBe(false)
  expect(await restorations.noteOpened(1, instant(1_300))).toBe(true)
  expect(await restorations.unsettled()).toMatchObject([{ ended: true, opened: true }])
  expect(await restorations.noteSettled(1, instant(1_400))).toBe(true)
  expect(await restorations.unsettled()).toEqual([])
  await expect(database.query('UPDATE restoration SET settled_at = NULL')).rejects.toThrow(/back never/)
  await expect(database.query('DELETE FROM restoration')).rejects.toThrow(/kept as it was/)
})
