import { signedIn } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { renderPairs } from '../table.ts'

export async function run(cli: Cli): Promise<void> {
  const { principal, token } = await signedIn(cli)
  const { origin, as } = await cli.server()
  if (cli.wantsJson) return cli.json({ principal, token, server: origin, via: as })
  const how = { signed_in: 'signed in', token: 'token from the environment', demo: "the demo's cast", nobody: '' }[as]
  cli.print(`${cli.paint('bold', oneLine(principal.name))}  ${oneLine(principal.displayName)}`)
  cli.print(
    renderPairs(cli.terminal, [
      ['kind', principal.kind],
      ['roles', principal.roles.join(', ')],
      ['teams', (principal.teams ?? []).map(oneLine).join(', ')],
      ['sponsor', principal.sponsor === undefined ? undefined : oneLine(principal.sponsor)],
      ['scopes', token.scopes.join(', ')],
      ['server', `${oneLine(origin)} (${how})`],
    ]),
  )
}
