import { connect } from 'node:net'
import type { Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { readReadiness } from '../readiness.ts'
import { tell } from '../report-error.ts'
import { readSignIns, signInsFile } from '../sign-ins.ts'
import { left } from '../times.ts'

/** Above this the server's replicas call themselves not ready; here it only makes times look odd. Milliseconds. */
const CLOCKS_APART = 2_000

interface Check {
  readonly name: string
  readonly ok: boolean
  /** Nothing is broken; somebody should look all the same. */
  readonly warning?: true
  readonly detail: string
}

/** Looks at everything between this machine and a statement that runs; each line says what it found. */
export async function run(cli: Cli): Promise<number> {
  const checks: Check[] = []
  /** Returns undefined when the check failed: what hangs on it is then not looked at. */
  const check = async <T>(name: string, look: () => Promise<readonly [string, T]>): Promise<T | undefined> => {
    try {
      const [detail, value] = await look()
      checks.push({ name, ok: true, detail })
      return value
    } catch (error) {
      checks.push({ name, ok: false, detail: tell(error).error.replace(/^hp itself failed: /, '') })
      return undefined
    }
  }
  await check('node', () => {
    const [major = 0] = process.versions.node.split('.').map(Number)
    if (major < 24) throw new Error(`version ${process.version}; 24 or newer is needed`)
    return Promise.resolve([process.version, undefined])
  })
  await check('token file', () => {
    const known = Object.keys(readSignIns(cli.terminal.env).tokens).length
    return Promise.resolve([known === 0 ? 'no sign-ins' : `${known} in ${signInsFile(cli.terminal.env)}`, undefined])
  })
  const server = await check('settings', async () => {
    const chosen = await cli.server()
    return [`${oneLine(chosen.origin)}, ${chosen.as.replace('_', ' ')}`, chosen]
  })
  if (server !== undefined) {
    const { client, origin } = server
    const info = await check('server', async () => {
      const found = await client.call('getInfo', {})
      return [`version ${oneLine(found.version)}${found.demo ? ' (demo)' : ''}`, found]
    })
    if (info !== undefined) {
      await check('clock', () => {
        const apart = Math.abs(Date.parse(info.now) - cli.now())
        if (apart > CLOCKS_APART) throw new Error(`this machine and the server differ by ${Math.round(apart / 1000)} s`)
        return Promise.resolve([`${apart} ms apart`, undefined])
      })
      await check('ready', async () => {
        const readiness = await readReadiness(origin)
        const failed = readiness.checks.filter((one) => !one.ok).map((one) => `${one.name}: ${one.detail ?? 'failed'}`)
        if (!readiness.ready) throw new Error(failed.join('; ') || 'the server says that it is not ready')
        return [`${readiness.checks.length} checks`, undefined]
      })
      await check('signed in', async () => {
        const { principal } = await client.call('getMe', {})
        const kept = readSignIns(cli.terminal.env).tokens[origin]
        return [
          `${oneLine(principal.name)}${server.as === 'signed_in' && kept !== undefined ? `, ${left(kept.expiresAt, cli.now())}` : ''}`,
          undefined,
        ]
      })
      await check('gateway', async () => {
        if (info.gateway === undefined) throw new Error('the server has none')
        await reach(
          info.gateway.host === '0.0.0.0' || info.gateway.host === '::' ? new URL(origin).hostname : info.gateway.host,
          info.gateway.port,
        )
        return [oneLine(`${info.gateway.host}:${info.gateway.port}`), undefined]
      })
      await check('resources', async () => {
        const { items } = await client.call('listResources', {})
        const warned = items.flatMap((one) => one.warnings.map((warning) => `${one.name}: ${warning}`))
        for (const detail of warned) checks.push({ name: 'resource', ok: true, warning: true, detail })
        return [`${items.length}`, undefined]
      })
    }
  }
  const failed = checks.some((one) => !one.ok)
  if (cli.wantsJson) cli.json({ ok: !failed, checks })
  else for (const one of checks) cli.print(`${markOf(cli, one)} ${one.name.padEnd(11)} ${oneLine(one.detail)}`)
  return failed ? EXIT.failed : EXIT.ok
}

function markOf(cli: Cli, check: Check): string {
  if (!check.ok) return cli.paint('red', '✗')
  return check.warning === true ? cli.paint('yellow', '!') : cli.paint('green', '✓')
}

const reach = (host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: 5_000 })
    socket.on('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.on('timeout', () => socket.destroy(new Error(`${host}:${port} does not answer`)))
    socket.on('error', (cause) => reject(new Error(`${host}:${port} cannot be reached`, { cause })))
  })
