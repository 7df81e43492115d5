import { connectPostgres } from '../src/cli/pg-connection.ts'
import type { PgConnection } from '../src/cli/pg-connection.ts'
import type { World } from '../src/tour/world.ts'
import { memoryMib } from './processes.ts'
import { spareTarget } from './spare-target.ts'

const SESSIONS = 1_000
/** Sign-ins under way at once. */
const AT_ONCE = 20
/** How often and how long memory is looked at once all are open. */
const LOOKS = 10
const EVERY_MS = 1_000

/**
 * MiB of the server's own processes with 1,000 open sessions, inside TLS as clients ask for by default, each of which
 * has run one statement: the most that was seen in the ten seconds after the last. Undefined where the system does not
 * tell.
 */
export async function measureIdle(world: World): Promise<number | undefined> {
  if (memoryMib(world.pid()) === undefined) return undefined
  await using target = await spareTarget(world, { connections: SESSIONS, megabytes: 0 })
  const { gateway } = target
  const sessions: PgConnection[] = []
  try {
    while (sessions.length < SESSIONS) {
      const some = Array.from({ length: Math.min(AT_ONCE, SESSIONS - sessions.length) }, async () => {
        const session = await connectPostgres({ ...gateway, host: '127.0.0.1', tls: 'require' })
        sessions.push(session)
        await session.query('SELECT 1')
      })
      await Promise.all(some)
    }
    let most = 0
    for (let look = 0; look < LOOKS; look++) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
      most = Math.max(most, memoryMib(world.pid()) ?? 0)
    }
    return Math.round(most)
  } finally {
    await Promise.all(sessions.map((session) => session.close()))
  }
}
