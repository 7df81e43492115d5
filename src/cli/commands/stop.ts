import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import type { Cli } from '../cli.ts'
import { EXIT, Stop } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'

/** How long a server may take to end its sessions and its database. Milliseconds. */
const STOPS_WITHIN = 60_000

/** Ends the server that holds a data folder, and waits until it is gone. Nothing running is success. */
export async function run(cli: Cli, input: { readonly data?: string; readonly demo?: true }): Promise<void> {
  const { env } = cli.terminal
  const base = env['XDG_DATA_HOME'] || path.join(env['HOME'] || homedir(), '.local', 'share')
  const folder = path.resolve(
    cli.terminal.cwd,
    input.data ?? env['HP_DATA'] ?? path.join(base, input.demo === true ? 'holdpoint-demo' : 'holdpoint'),
  )
  const pid = holderOf(folder)
  if (pid === undefined) {
    cli.note(`Nothing runs on ${oneLine(folder)}.`)
    return
  }
  try {
    process.kill(pid, 'SIGTERM')
  } catch (cause) {
    throw new Stop(EXIT.failed, `process ${pid} cannot be ended: it belongs to somebody else`, undefined, { cause })
  }
  const until = cli.now() + STOPS_WITHIN
  while (lives(pid)) {
    if (cli.now() > until) throw new Stop(EXIT.failed, `process ${pid} was asked to end and still runs`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  cli.note(`Stopped (process ${pid}).`)
}

/** The server's process, when the number in `lock.pid` is alive and is a Holdpoint: numbers are used again. */
function holderOf(folder: string): number | undefined {
  let pid: number
  try {
    pid = Number.parseInt(readFileSync(path.join(folder, 'lock.pid'), 'utf8'), 10)
  } catch {
    return undefined
  }
  if (!Number.isInteger(pid) || pid <= 1 || !lives(pid)) return undefined
  try {
    const command = execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
    return /main\.[jt]s|\bhp\b|holdpoint/.test(command) ? pid : undefined
  } catch {
    return undefined
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM'
  }
}
