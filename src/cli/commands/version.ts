import type { Cli } from '../cli.ts'
import { version } from '../server.ts'

export async function run(cli: Cli): Promise<void> {
  if (cli.wantsJson) return cli.json({ version: version(), node: process.version })
  cli.print(version())
}
