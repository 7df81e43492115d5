import { sql } from 'kysely'
import type { QueryExecutorProvider } from 'kysely'
import type { Webhook, WebhookStore } from '../app/ports/webhooks.ts'
import type { EventType } from '../domain/request/event-types.ts'
import { at } from './requests-row.ts'
import type { Big } from './requests-row.ts'

interface Row {
  readonly name: string
  readonly url: string
  readonly events: readonly EventType[]
  readonly made_at: Big
  readonly made_by: string
}
const read = (row: Row): Webhook => ({
  name: row.name,
  url: row.url,
  events: row.events,
  madeAt: at(row.made_at),
  madeBy: row.made_by,
})

/** See WebhookStore for the contract of each. */
export const webhookStore = (db: QueryExecutorProvider): WebhookStore => ({
  async insert({ name, url, events, madeAt, madeBy }) {
    const { rows } = await sql`INSERT INTO webhook (name, url, events, made_at, made_by)
      VALUES (${name}, ${url}, ${events}, ${madeAt}, ${madeBy}) ON CONFLICT DO NOTHING RETURNING name`.execute(db)
    return rows.length === 1
  },
  async find(name) {
    const { rows } = await sql<Row>`SELECT * FROM webhook WHERE name = ${name}`.execute(db)
    return rows[0] && read(rows[0])
  },
  async list() {
    return (await sql<Row>`SELECT * FROM webhook ORDER BY name`.execute(db)).rows.map(read)
  },
  async delete(name) {
    return (await sql`DELETE FROM webhook WHERE name = ${name} RETURNING name`.execute(db)).rows.length === 1
  },
  async listening(type) {
    const { rows } = await sql<{ name: string }>`
      SELECT name FROM webhook WHERE events @> ARRAY[${type}]::text[] ORDER BY name`.execute(db)
    return rows.map((row) => row.name)
  },
})
