import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { writePrivateFile } from '../cli/private-file.ts'
import { freePort, socketFolderOf, startEmbedded } from '../store/embedded/start-embedded.ts'
import type { Embedded } from '../store/embedded/start-embedded.ts'
import { fillDatabases } from './databases.ts'

/** The demo cannot start; the message is for the person at the terminal. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
}

/**
 * The demo's target: a second real PostgreSQL in `dataDir/demo/target`, with the demo's databases in it. It keeps the
 * port of its first start, since the resources name it: the one behind the gateway's where that is free.
 * @throws DemoError when somebody else has taken that port since.
 */
export async function startDemoTarget(options: {
  readonly dataDir: string
  readonly gatewayPort: number
  readonly log: (message: string) => void
}): Promise<Embedded> {
  const folder = path.join(options.dataDir, 'demo')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = path.join(folder, 'target.port')
  const kept = await readPort(file)
  const usual = options.gatewayPort + 1
  const port = kept ?? (options.gatewayPort > 0 && (await isFree(usual)) ? usual : await freePort())
  if (kept === undefined) writePrivateFile(file, `${port}\n`)
  const start = (): Promise<Embedded> =>
    startEmbedded({
      dataDir: path.join(folder, 'target'),
      database: 'postgres',
      port,
      settings: { max_connections: '200' },
      log: options.log,
    })
  let server: Embedded
  try {
    server = await start()
  } catch (cause) {
    if (await isFree(port)) throw cause
    throw new DemoError(
      `Port ${port}, where the demo's database has been, is taken by another program. Stop that one, or start the demo over: remove ${options.dataDir}`,
      { cause },
    )
  }
  try {
    await fillDatabases(server)
  } catch (error) {
    await server.stop()
    throw error
  }
  return server
}

/** Where the socket of the demo's target is while it runs; none without one. Says nothing of who answers there. */
export function demoSocketFolders(dataDir: string): readonly string[] {
  const folder = socketFolderOf(path.join(dataDir, 'demo', 'target'))
  return folder === undefined ? [] : [folder]
}

async function readPort(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return /^[1-9][0-9]{0,4}\n$/.test(text) ? Number(text) : undefined
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.on('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
