import { connectPostgres } from '../src/cli/pg-connection.ts'
import type { PgConnection } from '../src/cli/pg-connection.ts'
import { until } from '../src/store/embedded/process.ts'
import type { Way } from './ways.ts'

const HELD = 50
const HELD_WITHIN_MS = 30_000

/**
 * What `measure` gives while 50 statements are held at the gateway, and while none is. The 50 sessions are open either
 * way; in the end each takes its statement back.
 */
export async function measureHoldBeside(
  gateway: Way,
  rounds: number,
  measure: () => Promise<number>,
): Promise<{ readonly alone: readonly number[]; readonly beside: readonly number[] }> {
  const alone: number[] = []
  const beside: number[] = []
  let held = 0
  const sessions: PgConnection[] = []
  const hold = async (): Promise<() => Promise<void>> => {
    held = 0
    const waiting = sessions.map((session) =>
      session.query("UPDATE vouchers SET used = used + 1 WHERE code = 'WELCOME1'").then(
        () => undefined,
        () => undefined,
      ),
    )
    const stood = await until(() => held >= HELD || undefined, HELD_WITHIN_MS)
    const release = async (): Promise<void> => {
      await Promise.all(sessions.map((session) => session.cancel()))
      await Promise.all(waiting)
    }
    if (stood !== undefined) return release
    await release()
    throw new Error(`only ${held} of ${HELD} statements were held`)
  }
  try {
    for (let i = 0; i < HELD; i++) {
      const onNotice = ({ message }: { readonly message: string }): void => {
        if (/held HP-\d+/.test(message)) held += 1
      }
      sessions.push(await connectPostgres({ ...gateway, host: '127.0.0.1', tls: 'disable', onNotice }))
    }
    await measure()
    for (let round = 0; round < rounds; round++) {
      if (round % 2 === 0) alone.push(await measure())
      const release = await hold()
      beside.push(await measure())
      if (held < HELD) throw new Error('a held statement went on by itself')
      await release()
      if (round % 2 === 1) alone.push(await measure())
    }
  } finally {
    await Promise.all(sessions.map((session) => session.close()))
  }
  return { alone, beside }
}
