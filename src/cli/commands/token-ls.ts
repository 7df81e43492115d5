import type { Cli } from '../cli.ts'
import { renderTable } from '../table.ts'
import { clock, left } from '../times.ts'

export async function run(cli: Cli): Promise<void> {
  const { items } = await (await cli.api()).call('listTokens', {})
  if (cli.wantsJson) return cli.json({ items })
  const now = cli.now()
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'ID', cell: (one) => one.id },
      { title: 'KIND', cell: (one) => one.kind },
      { title: 'SCOPES', cell: (one) => one.scopes.join(', '), shrinkTo: 8 },
      { title: 'LABEL', cell: (one) => one.label, shrinkTo: 8 },
      { title: 'MADE', cell: (one) => clock(one.createdAt, now), dropAt: 2 },
      {
        title: 'LAST USED',
        cell: (one) => (one.lastUsedAt === undefined ? 'never' : clock(one.lastUsedAt, now)),
        dropAt: 3,
      },
      { title: 'TIME', cell: (one) => left(one.expiresAt, now) },
    ]),
  )
}
