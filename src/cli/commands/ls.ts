import type { Cli, Resource } from '../cli.ts'
import { renderTable } from '../table.ts'
import { classificationStyle } from '../profile-strip.ts'

export async function run(cli: Cli): Promise<void> {
  const { items } = await (await cli.api()).call('listResources', {})
  if (cli.wantsJson) return cli.json({ items })
  if (items.length === 0) {
    cli.note('There are no resources yet. Three lines add one: hp apply -f FILE')
    return
  }
  const owners = (one: Resource): string => [...new Set(one.owners.map((owner) => owner.team))].join(', ')
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'NAME', cell: (one) => one.name, style: () => 'bold' },
      { title: 'TYPE', cell: (one) => one.type, dropAt: 3 },
      { title: 'ENV', cell: (one) => one.env ?? '-' },
      {
        title: 'CLASSIFICATION',
        cell: (one) => (one.incomplete ? `${one.classification} (incomplete)` : one.classification),
        style: classificationStyle,
      },
      { title: 'OWNERS', cell: (one) => owners(one) || '-', shrinkTo: 10 },
      { title: 'WAITING', cell: (one) => String(one.pendingRequests || '-'), align: 'right' },
      { title: 'OPEN', cell: (one) => String(one.openGrants || '-'), align: 'right' },
      { title: 'PURPOSE', cell: (one) => one.purpose ?? '', style: () => 'dim', shrinkTo: 16, dropAt: 4 },
    ]),
  )
}
