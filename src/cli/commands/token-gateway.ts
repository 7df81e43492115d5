import type { Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { optional } from '../optional.ts'
import { clock } from '../times.ts'

/** Prints the token alone, so that it can stand in PGPASSWORD="$(hp token)". */
export async function run(cli: Cli, { lifetime }: { readonly lifetime?: string }): Promise<void> {
  if (lifetime !== undefined) durationOf(lifetime, '--lifetime')
  const token = await (
    await cli.api()
  ).call('issueToken', { body: { kind: 'gateway', label: 'hp token', ...optional({ lifetime }) } })
  if (cli.wantsJson) return cli.json({ ...token })
  cli.print(token.text)
  cli.note(`A password for ${token.principal} at the gateway, until ${clock(token.expiresAt, cli.now())}.`)
}
