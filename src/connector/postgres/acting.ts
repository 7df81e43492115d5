import type pg from 'pg'
import type { OpenTarget } from '../../app/ports/target.ts'
import type { Connections } from './connect.ts'
import { name } from './roles/names.ts'

/**
 * A control connection that acts as a role meanwhile: PostgreSQL lets nobody look at or end the sessions of a role whose
 * privileges they do not have. Where the role is gone, the account itself asks, and sees less.
 */
export const acting =
  (connections: Connections, target: OpenTarget, database = target.database, as = target.actAs) =>
  <T>(use: (client: pg.PoolClient) => Promise<T>): Promise<T> =>
    connections.on(
      target,
      database,
    )(async (client) => {
      if (as === undefined || !(await assumes(client, as))) return use(client)
      // When `use` fails, the connection is closed, and with it the role is left.
      const result = await use(client)
      await client.query('reset role')
      return result
    })

/** invalid_parameter_value, undefined_object: there is no such role. insufficient_privilege: nobody gave it to the account. */
const NOT_THERE: ReadonlySet<unknown> = new Set(['22023', '42704', '42501'])

async function assumes(client: pg.ClientBase, role: string): Promise<boolean> {
  try {
    await client.query(`set role ${name(role)}`)
    return true
  } catch (error) {
    if (NOT_THERE.has((error as { code?: unknown }).code)) return false
    throw error
  }
}
