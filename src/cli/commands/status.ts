import type { Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { readReadiness } from '../readiness.ts'
import { renderPairs } from '../table.ts'

/** Exits 0 when the server is ready, 1 when it answers and is not. */
export async function run(cli: Cli): Promise<number> {
  const { client, origin } = await cli.server()
  const info = await client.call('getInfo', {})
  const readiness = await readReadiness(origin)
  if (cli.wantsJson) cli.json({ server: origin, info, ...readiness })
  else {
    const state = readiness.ready ? cli.paint('green', 'ready') : cli.paint('red', 'not ready')
    cli.print(
      renderPairs(cli.terminal, [
        ['server', `${oneLine(origin)}  ${state}`],
        ['version', `${oneLine(info.version)}${info.demo ? ' (demo)' : ''}`],
        ['gateway', info.gateway === undefined ? 'none' : oneLine(`${info.gateway.host}:${info.gateway.port}`)],
        ['setup', info.setupNeeded ? cli.paint('yellow', 'no administrator yet: hp login') : undefined],
        ...readiness.checks.map(
          (check) =>
            [
              oneLine(check.name),
              `${check.ok ? 'ok' : cli.paint('red', 'failed')}${check.detail === undefined ? '' : `  ${oneLine(check.detail)}`}`,
            ] as const,
        ),
      ]),
    )
  }
  return readiness.ready ? EXIT.ok : EXIT.failed
}
