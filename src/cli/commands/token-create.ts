import { TOKEN_SCOPES } from '../../contract/people.ts'
import type { TokenScope } from '../../contract/people.ts'
import type { Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { clock } from '../times.ts'

interface Input {
  readonly scope?: readonly string[]
  readonly label?: string
  readonly lifetime?: string
  readonly for?: string
}

/** `hp token create` for oneself, `hp admin token --for` for a service or an agent. The text is shown this once. */
export async function run(cli: Cli, input: Input): Promise<void> {
  if (input.lifetime !== undefined) durationOf(input.lifetime, '--lifetime')
  const scopes = input.scope?.flatMap((text) => text.split(',')).map(scopeOf)
  const body = {
    kind: 'api' as const,
    ...optional({ scopes, label: input.label, lifetime: input.lifetime, for: input.for }),
  }
  const token = await (await cli.api()).call('issueToken', { body })
  if (cli.wantsJson) return cli.json({ ...token })
  cli.print(token.text)
  cli.note(
    `Shown this once. For ${oneLine(token.principal)}, scopes ${token.scopes.join(', ')}, until ${clock(token.expiresAt, cli.now())}; revoke it with: hp token revoke ${oneLine(token.id)}`,
  )
}

function scopeOf(text: string): TokenScope {
  const scope = TOKEN_SCOPES.find((one) => one === text)
  if (scope === undefined)
    throw usage(`--scope: there is no scope '${oneLine(text)}'`, `Scopes: ${TOKEN_SCOPES.join(', ')}.`)
  return scope
}
