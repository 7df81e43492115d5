import { pino } from 'pino'
import { boot } from '../../src/boot.ts'
import type { Running } from '../../src/boot.ts'
import { ROLES } from '../../src/config.ts'

/** A server on a database and a data folder, as `hp start` builds it, in this process and on free ports. Whoever starts it stops it. */
export function bootOn(databaseUrl: string, dataDir: string): Promise<Running> {
  const address = { host: '127.0.0.1', port: 0 }
  return boot(
    {
      dataDir,
      databaseUrl,
      roles: ROLES,
      drainMs: 0,
      listen: address,
      gateway: address,
      gatewayWorkers: 0,
      demo: false,
      trustedProxies: [],
      logLevel: 'silent',
    },
    pino({ level: 'silent' }),
  )
}

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail?: string
}
/** What `/readyz` says. */
export async function readiness(running: Pick<Running, 'url'>) {
  const response = await fetch(`${running.url}/readyz`)
  const { checks } = (await response.json()) as { readonly checks: readonly Check[] }
  return { status: response.status, of: (name: string) => checks.find((check) => check.name === name) }
}
