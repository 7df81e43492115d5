import type pg from 'pg'
import type { OpenTarget } from '../../../app/ports/target.ts'
import type { TargetRoles } from '../../../app/ports/target-roles.ts'
import { createConnections } from '../connect.ts'
import { readInventory } from './inventory.ts'
import { makeRole } from './make.ts'
import { name, text } from './names.ts'
import { removeRole } from './remove.ts'
import { scramVerifier } from './scram-verifier.ts'

/** Roles for single grants, over control connections of their own. */
export function createTargetRoles(): TargetRoles {
  const working = createConnections()
  // Reads back what the others did.
  const looking = createConnections()
  const work = <T>(target: OpenTarget, use: (client: pg.ClientBase) => Promise<T>): Promise<T> =>
    working.on(target, target.database)(use)

  return {
    make: (target, spec) => work(target, (client) => makeRole(client, spec)),
    lend: (target, role, to) =>
      work(target, async (client) => {
        const { rows } = await client.query<{ modern: boolean }>(
          "select pg_catalog.current_setting('server_version_num')::int4 >= 160000 as modern",
        )
        const how = rows[0]?.modern === true ? ' with inherit false, set true' : ''
        await client.query(`grant ${name(role)} to ${name(to)}${how}`)
      }),
    open: async (target, role, password, sessions) => {
      const verifier = await scramVerifier(password)
      const so = `login connection limit ${Math.trunc(sessions)} password ${text(verifier)}`
      await work(target, (client) => client.query(`alter role ${name(role)} ${so}`))
    },
    shut: (target, role) =>
      work(target, async (client) => void (await client.query(`alter role ${name(role)} nologin password null`))),
    prolong: async (target, role, until) => {
      const so = `valid until ${text(new Date(until).toISOString())}`
      await work(target, (client) => client.query(`alter role ${name(role)} ${so}`))
    },
    remove: (target, role, withinMs) =>
      removeRole(
        (database) => working.on(target, database ?? target.database),
        looking.on(target, target.database),
        role,
        withinMs,
      ),
    expel: (target, role, groups) =>
      work(target, async (client) => {
        for (const group of groups) await client.query(`revoke ${name(group)} from ${name(role)}`)
        // INVARIANT: what another has granted stays, with a warning alone.
        const still = (await readInventory(client, groups, [])).find((one) => one.name === role)
        if (still !== undefined && still.groups.length > 0)
          throw new Error(`${role} was given ${still.groups.join(', ')} by another, who has to take it back`)
      }),
    inventory: (target, groups, except) => work(target, (client) => readInventory(client, groups, except)),
    close: async () => void (await Promise.all([working.close(), looking.close()])),
  }
}
