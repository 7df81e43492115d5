import { connectPostgres } from '../src/cli/pg-connection.ts'
import { median, rounded } from './figures.ts'

/** One way to the same tables, as the same kind of client goes it: by TCP to 127.0.0.1. */
export interface Way {
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
  /** Whose CPU is counted; absent for the direct way. */
  readonly pid?: number
}
export type WayName = 'direct' | 'gateway' | 'pgbouncer'
export type Ways = readonly (readonly [WayName, Way])[]

/** `measure` for every one of `all`, in `rounds` turns. What the machine does besides falls on all of them. */
export async function alternate<Name, What, Found>(
  all: readonly (readonly [Name, What])[],
  rounds: number,
  measure: (what: What) => Promise<Found>,
): Promise<ReadonlyMap<Name, readonly Found[]>> {
  const seen = new Map<Name, Found[]>(all.map(([name]) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    // Each round begins elsewhere: nobody always runs behind the same neighbour.
    for (let i = 0; i < all.length; i++) {
      const [name, what] = all[(i + round) % all.length] ?? []
      if (name !== undefined && what !== undefined) seen.get(name)?.push(await measure(what))
    }
  }
  return seen
}

/** The median of `a` by that of `b`; null where there is nothing of one of them. */
export const ratio = (a: readonly number[] | undefined, b: readonly number[] | undefined): number | null =>
  a === undefined || b === undefined || a.length === 0 || b.length === 0 || median(b) === 0
    ? null
    : rounded(median(a) / median(b))

/**
 * The target sees no address at the other end of a Unix socket. Each process of the gateway looks for one after its
 * first session only, and which of them takes a session is chance: the last of many tells.
 */
export async function reachesBySocket(gateway: Way): Promise<boolean> {
  let bySocket = false
  for (let session = 0; session < 16; session++) {
    const connection = await connectPostgres({ ...gateway, host: '127.0.0.1', tls: 'disable' })
    try {
      const [result] = await connection.query('SELECT inet_client_addr() IS NULL')
      bySocket = result?.rows[0]?.[0] === 't'
    } finally {
      await connection.close()
    }
  }
  return bySocket
}
