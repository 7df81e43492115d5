import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../../test/support/database.ts'
import { testDatabase } from '../../test/support/database.ts'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { openKeyring, readKeyring } from './keyring.ts'
import { secretStore } from './secrets.ts'

/*
 * Replicas of one database must seal with one keyring; one that has another finds out at its start, also before anything
 * is sealed.
 */

let database: TestDatabase
let open: Database
let folder: string
beforeEach(async () => {
  database = await testDatabase()
  open = openDatabase({ url: database.url, connections: 4, log: () => undefined })
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-keyring-'))
})
afterEach(async () => {
  await open.close()
  await database.close()
  rmSync(folder, { recursive: true, force: true })
})

const replica = (name: string) => join(folder, name)
const secrets = () => secretStore(open.executor)
const keyOf = (name: string): string => {
  const { current, keys } = readKeyring(replica(name), {})
  return `${current}:${keys.get(current)?.toString('base64')}`
}
const start = (name: string, env: NodeJS.ProcessEnv = {}) => openKeyring(replica(name), env, secrets())

test('the first makes a keyring; a second that would make its own is refused, and makes none', async () => {
  const first = await start('first')
  const sealed = await first.seal('secret/shop', Buffer.from('value'))
  await expect(start('second')).rejects.toThrow(
    /There is no keyring in .*second, and the replicas of this database seal with the key [0-9a-f]{16}\. Give this replica/,
  )
  expect(existsSync(join(replica('second'), 'keyring'))).toBe(false)
  const second = await start('second', { HP_KEYRING: keyOf('first') })
  expect((await second.open('secret/shop', sealed)).toString()).toBe('value')
})

test('a keyring of its own is refused, although nothing was sealed yet', async () => {
  await start('first')
  readKeyring(replica('second'), {})
  await expect(start('second')).rejects.toThrow(/lacks a key: the replicas of this database seal with/)
})

test('of several that start at once with keyrings of their own, one goes on', async () => {
  const names = ['a', 'b', 'c', 'd']
  for (const name of names) readKeyring(replica(name), {})
  const starts = await Promise.allSettled(names.map((name) => start(name)))
  expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a new first line is taken over from the old one; who has only the old one is refused from then on', async () => {
  await start('first')
  const old = keyOf('first')
  readKeyring(replica('new'), {})
  writeFileSync(join(replica('first'), 'keyring'), `${keyOf('new')}\n${old}\n`, { mode: 0o600 })
  await start('first')
  await start('first')
  await expect(start('second', { HP_KEYRING: old })).rejects.toThrow(/lacks a key/)
  // The order of the lines is a matter of the replica: one that still has the old one in front moves it back.
  await start('second', { HP_KEYRING: `${old}\n${keyOf('new')}` })
  await start('third', { HP_KEYRING: `${keyOf('new')}\n${old}` })
})
