import { ApiProblem } from '../../contract/client.ts'
import type { Client } from '../../contract/client.ts'
import { signedIn } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { renderPairs } from '../table.ts'

export async function run(cli: Cli): Promise<void> {
  const { principal, token } = await signedIn(cli)
  const { client, origin, as } = await cli.server()
  const teams = principal.teams ?? (await teamsOf(client, principal.name))
  if (cli.wantsJson)
    return cli.json({ principal: { ...principal, ...optional({ teams }) }, token, server: origin, via: as })
  const how = { signed_in: 'signed in', token: 'token from the environment', demo: "the demo's cast", nobody: '' }[as]
  cli.print(`${cli.paint('bold', oneLine(principal.name))}  ${oneLine(principal.displayName)}`)
  cli.print(
    renderPairs(cli.terminal, [
      ['kind', principal.kind],
      ['roles', principal.roles.join(', ')],
      ['teams', (teams ?? []).map(oneLine).join(', ')],
      ['sponsor', principal.sponsor === undefined ? undefined : oneLine(principal.sponsor)],
      ['scopes', token.scopes.join(', ')],
      ['server', `${oneLine(origin)} (${how})`],
    ]),
  )
}

/** Undefined for a token that may not look. */
async function teamsOf(client: Client, name: string): Promise<string[] | undefined> {
  try {
    const { items } = await client.call('listTeams', {})
    return items.filter((team) => team.members.includes(name)).map((team) => team.name)
  } catch (error) {
    if (error instanceof ApiProblem) return undefined
    throw error
  }
}
