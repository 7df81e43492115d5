import type { Cli } from '../cli.ts'
import { renderTable } from '../table.ts'
import { clock } from '../times.ts'

export async function run(cli: Cli): Promise<void> {
  const { items } = await (await cli.api()).call('listSecrets', {})
  if (cli.wantsJson) return cli.json({ items })
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'NAME', cell: (one) => one.name },
      { title: 'CHANGED', cell: (one) => clock(one.updatedAt, cli.now()) },
    ]),
  )
}
