import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { migrate } from '../../src/store/migrate.ts'
import { startEmbedded } from '../../src/store/embedded/start-embedded.ts'
import { packagedPrograms, startPackaged } from './packaged-servers.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The superuser's URL of the run's one server. */
    readonly serverUrl: string
    /** Every server there is to stand as a target: the one above, and those of the machine's own packages. */
    readonly servers: readonly { readonly version: string; readonly url: string }[]
  }
}

/** The database that every test's own is cloned from: migrated once a run. */
export const TEMPLATE = 'holdpoint_template'

const settings = { max_connections: '600', autovacuum: 'off', wal_level: 'minimal', max_wal_senders: '0' }

/** One embedded PostgreSQL for the whole run, and one of every version that the machine's packages have; without fsync. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdpoint-test-'))
  const server = await startEmbedded({
    dataDir,
    database: TEMPLATE,
    durable: false,
    settings,
    log: (message) => void process.stderr.write(`${message}\n`),
  })
  const others = await Promise.allSettled(packagedPrograms().map((programs) => startPackaged(programs, settings)))
  const packaged = others.filter((one) => one.status === 'fulfilled').map(({ value }) => value)
  const stop = async (): Promise<void> => {
    await Promise.all([server.stop(), ...packaged.map((one) => one.stop())])
    rmSync(dataDir, { recursive: true, force: true })
  }
  try {
    for (const one of others) if (one.status === 'rejected') throw one.reason
    await migrate(server.url)
  } catch (error) {
    await stop()
    throw error
  }
  project.provide('serverUrl', server.url)
  const servers = [{ version: '18', url: server.url }, ...packaged.map(({ version, url }) => ({ version, url }))]
  project.provide('servers', servers)
  return stop
}
