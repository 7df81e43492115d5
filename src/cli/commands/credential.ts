import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

/** As a URL that psql and drivers take. Shown once: a second call is refused, whoever makes it. */
export async function run(cli: Cli, { id }: { readonly id: string }): Promise<void> {
  const client = await cli.api()
  const given = await client.call('giveCredential', { params: { id } })
  if (cli.wantsJson) return cli.json({ ...given })
  cli.note(`Shown once, and good until ${oneLine(given.until)}. What runs with it goes past Holdpoint.`)
  const host = given.host.startsWith('/') ? '' : given.host.includes(':') ? `[${given.host}]` : given.host
  const at = `${encodeURIComponent(given.user)}:${given.password}@${host}`
  const query = given.host.startsWith('/')
    ? `?host=${encodeURIComponent(given.host)}&port=${given.port}`
    : `?sslmode=${given.sslmode}`
  const port = given.host.startsWith('/') ? '' : `:${given.port}`
  cli.print(`postgres://${at}${port}/${encodeURIComponent(given.database)}${query}`)
}
