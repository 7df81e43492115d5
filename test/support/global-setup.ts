import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { migrate } from '../../src/store/migrate.ts'
import { startEmbedded } from '../../src/store/embedded/start-embedded.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The superuser's URL of the run's one server. */
    readonly serverUrl: string
  }
}

/** The database that every test's own is cloned from: migrated once a run. */
export const TEMPLATE = 'holdpoint_template'

/** One embedded PostgreSQL for the whole run, without fsync. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdpoint-test-'))
  const server = await startEmbedded({
    dataDir,
    database: TEMPLATE,
    durable: false,
    settings: { max_connections: '300', autovacuum: 'off', wal_level: 'minimal', max_wal_senders: '0' },
    log: (message) => void process.stderr.write(`${message}\n`),
  })
  const stop = async (): Promise<void> => {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
  try {
    await migrate(server.url)
  } catch (error) {
    await stop()
    throw error
  }
  project.provide('serverUrl', server.url)
  return stop
}
