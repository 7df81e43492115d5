import type pg from 'pg'
import type { OpenTarget, TargetControl } from '../../app/ports/target.ts'
import type { Backend } from '../../domain/session/session.ts'
import { readAccount } from './account.ts'
import { createConnections } from './connect.ts'
import { explain } from './estimate.ts'
import { acting } from './acting.ts'
import { readLocks } from './locks.ts'
import { whyNot } from './probe.ts'
import { THIS } from './this-backend.ts'

/** Looks at pg_stat_activity come this many ms apart, doubling up to the last. */
const FIRST_LOOK = 1
const LAST_LOOK = 20
/** A terminate that was not followed is sent again after this many ms. */
const AGAIN = 500

/** What Holdpoint does on a target besides carrying sessions, on a few connections that close when idle. */
export function createTargetControl(): TargetControl {
  const connections = createConnections()
  // What cuts never waits behind what asks: planning may wait for somebody's lock.
  const cutting = createConnections()

  const gone = async (client: pg.ClientBase, backend: Backend): Promise<boolean> => {
    const { rowCount } = await client.query({
      name: 'gone',
      text: `select ${THIS}`,
      values: [backend.pid, backend.startedAt],
    })
    return rowCount === 0
  }
  const signal = (
    client: pg.ClientBase,
    how: 'pg_cancel_backend' | 'pg_terminate_backend',
    backend: Backend,
  ): Promise<unknown> =>
    client.query({ name: how, text: `select pg_catalog.${how}(pid) ${THIS}`, values: [backend.pid, backend.startedAt] })

  return {
    async cancel(target, backend) {
      await acting(cutting, target)((client) => signal(client, 'pg_cancel_backend', backend))
    },
    async terminate(target, backend, withinMs) {
      const until = performance.now() + withinMs
      return acting(
        cutting,
        target,
      )(async (client) => {
        await signal(client, 'pg_terminate_backend', backend)
        let sentAt = performance.now()
        for (let wait = FIRST_LOOK; ; wait = Math.min(wait * 2, LAST_LOOK)) {
          if (await gone(client, backend)) return true
          const now = performance.now()
          if (now >= until) return false
          if (now - sentAt > AGAIN) {
            await signal(client, 'pg_terminate_backend', backend)
            sentAt = now
          }
          await new Promise((resolve) => setTimeout(resolve, Math.min(wait, until - now)))
        }
      })
    },
    isGone: (target, backend) => acting(cutting, target)((client) => gone(client, backend)),
    estimate: (target, database, text, searchPath, bound) =>
      acting(connections, target, database, target.plansAs)((client) => explain(client, text, searchPath, bound)),
    locks: (target, backend) => acting(connections, target)((client) => readLocks(client, backend)),
    async probe(target: OpenTarget) {
      try {
        return await connections.on(
          target,
          target.database,
        )(async (client) => {
          const row = await readAccount(client)
          if (row === undefined)
            return { ok: false as const, message: `${target.host}:${target.port} does not answer as PostgreSQL does` }
          const major = Number.parseInt(row.version, 10)
          if (major < 15)
            return {
              ok: false as const,
              message: `${target.host}:${target.port} runs PostgreSQL ${row.version}; 15 or newer is needed`,
            }
          return { ok: true as const, version: row.version, account: row.account }
        })
      } catch (error) {
        return { ok: false, message: `${target.host}:${target.port} cannot be used: ${whyNot(error)}` }
      }
    },
    close: async () => void (await Promise.all([connections.close(), cutting.close()])),
  }
}
