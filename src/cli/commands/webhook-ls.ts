import type { Cli } from '../cli.ts'
import { renderTable } from '../table.ts'
import { clock } from '../times.ts'

export async function run(cli: Cli): Promise<void> {
  const { items } = await (await cli.api()).call('listWebhooks', {})
  if (cli.wantsJson) return cli.json({ items })
  if (items.length === 0) return cli.note('Nobody is told. See: hp webhook add --help')
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'NAME', cell: (one) => one.name },
      { title: 'ADDRESS', cell: (one) => one.url, shrinkTo: 24 },
      { title: 'EVENTS', cell: (one) => one.events.join(', '), shrinkTo: 16 },
      { title: 'MADE', cell: (one) => `${clock(one.madeAt, cli.now())} by ${one.madeBy}`, dropAt: 2 },
    ]),
  )
}
