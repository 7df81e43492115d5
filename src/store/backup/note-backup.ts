import pg from 'pg'
import { instant } from '../../domain/time.ts'
import { connectionOptions, executorOn } from '../database.ts'
import { readMigrations } from '../migrate.ts'
import { recordWriter } from '../record.ts'

/**
 * Records that the whole store is about to be read, before the first row is: the backup itself holds the entry. A store
 * that this version has not migrated yet (a backup before an upgrade) cannot be written to, and is left as it is.
 */
export async function noteBackup(url: string, who: { readonly by: string; readonly on: string }): Promise<void> {
  const client = new pg.Client(connectionOptions(url, 'holdpoint backup'))
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows: found } = await client.query<{ number: number }>('SELECT number FROM schema_migration')
    if (found.length !== readMigrations().length) return
    await client.query('BEGIN')
    const { rows } = await client.query<{ now: number }>('SELECT holdpoint_now() AS now')
    const append = recordWriter(executorOn(client), instant(rows[0]?.now ?? 0), new Set())
    await append.append({
      kind: 'store.backed_up',
      subject: 'store',
      body: { by: who.by.toWellFormed(), on: who.on.toWellFormed() },
    })
    await client.query('COMMIT')
  } finally {
    await client.end()
  }
}
