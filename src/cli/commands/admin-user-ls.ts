import type { Cli } from '../cli.ts'
import { renderTable } from '../table.ts'

export async function run(cli: Cli): Promise<void> {
  const { items } = await (await cli.api()).call('listPeople', {})
  if (cli.wantsJson) return cli.json({ items })
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'NAME', cell: (one) => one.name, style: (one) => (one.disabled ? 'dim' : 'bold') },
      { title: 'SHOWN AS', cell: (one) => one.displayName, shrinkTo: 8 },
      { title: 'KIND', cell: (one) => (one.sponsor === undefined ? one.kind : `${one.kind} of ${one.sponsor}`) },
      { title: 'ROLES', cell: (one) => one.roles.join(', ') || '-' },
      { title: 'TEAMS', cell: (one) => (one.teams ?? []).join(', ') || '-', shrinkTo: 8 },
      { title: 'STATE', cell: (one) => (one.disabled ? 'disabled' : 'active') },
    ]),
  )
}
