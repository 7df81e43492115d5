import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { textOf } from '../ledger-source.ts'

/** The verifier keys of the server's log: for those who verify it, and for witnesses. */
export async function run(cli: Cli): Promise<void> {
  const keys = textOf(await (await cli.api()).ledgerFile('keys'))
    .split('\n')
    .filter((line) => line !== '')
  if (cli.wantsJson) return cli.json({ keys })
  for (const key of keys) cli.print(oneLine(key))
}
