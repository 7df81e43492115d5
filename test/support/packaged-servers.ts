import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serverAccount } from '../../src/store/embedded/account.ts'
import type { Binaries } from '../../src/store/embedded/binaries.ts'
import { ensureCluster, readPassword, SUPERUSER } from '../../src/store/embedded/cluster.ts'
import { launch, SOCKET_PREFIX } from '../../src/store/embedded/postmaster.ts'
import { freePort } from '../../src/store/embedded/start-embedded.ts'

/** A server of a test run: the major version, and the superuser's URL through the Unix socket. */
export interface RunningServer {
  readonly version: string
  readonly url: string
  stop(): Promise<void>
}

/** Where Debian's packages lie, a folder a major version. */
const PACKAGED = '/usr/lib/postgresql'

/** The programs of every server package from version 15 on, lowest first. */
export function packagedPrograms(): readonly { readonly version: string; readonly folder: string }[] {
  const versions = existsSync(PACKAGED) ? readdirSync(PACKAGED) : []
  return versions
    .filter((version) => Number(version) >= 15 && existsSync(join(PACKAGED, version, 'bin', 'postgres')))
    .sort((a, b) => Number(a) - Number(b))
    .map((version) => ({ version, folder: join(PACKAGED, version, 'bin') }))
}

/** One of them on a cluster made for this run, without fsync. */
export async function startPackaged(
  { version, folder: bin }: { readonly version: string; readonly folder: string },
  settings: Readonly<Record<string, string>>,
): Promise<RunningServer> {
  const dataDir = mkdtempSync(join(tmpdir(), `holdpoint-test-${version}-`))
  const socketDir = mkdtempSync(join(tmpdir(), SOCKET_PREFIX))
  const remove = (): void => {
    for (const folder of [dataDir, socketDir]) rmSync(folder, { recursive: true, force: true })
  }
  try {
    const folder = join(dataDir, 'postgres')
    const account = serverAccount(folder)
    if (account) for (const path of [dataDir, socketDir]) chownSync(path, account.uid, account.gid)
    const binaries: Binaries = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
    const cluster = { folder, account, binaries }
    const password = readPassword(join(dataDir, 'postgres.password'))
    await ensureCluster(cluster, password, version)
    const port = await freePort()
    const server = await launch({
      cluster,
      port,
      socketDir,
      logFile: join(dataDir, 'postgres.log'),
      settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', ...settings },
    })
    return {
      version,
      url: `postgres://${SUPERUSER}:${encodeURIComponent(password)}@${encodeURIComponent(socketDir)}:${port}/postgres`,
      async stop() {
        await server.stop()
        remove()
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}
