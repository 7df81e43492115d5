import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { renderTable } from '../table.ts'
import { clock } from '../times.ts'

export async function run(cli: Cli): Promise<void> {
  const { items, inventories, removing } = await (await cli.api()).call('listLeftovers', {})
  if (cli.wantsJson) return cli.json({ items, inventories, removing })
  for (const { resource, doneAt, why } of inventories)
    if (why !== undefined)
      cli.note(
        `${oneLine(resource)}: its target could not be looked at (${oneLine(why)}); last seen ${doneAt === undefined ? 'never' : clock(doneAt, cli.now())}`,
      )
  for (const { resource, role } of removing)
    cli.note(`${oneLine(resource)}: ${oneLine(role)} is being removed, and was not seen gone yet`)
  if (items.length === 0) {
    cli.note('Nothing is left on any target that a grant does not stand for.')
    return
  }
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'RESOURCE', cell: (one) => oneLine(one.resource) },
      { title: 'ROLE', cell: (one) => oneLine(one.role) },
      { title: 'SINCE', cell: (one) => clock(one.firstSeen, cli.now()) },
      { title: 'SESSIONS', cell: (one) => String(one.sessions) },
      {
        title: 'WHAT',
        cell: (one) =>
          oneLine(
            one.ignored !== undefined
              ? `ignored by ${one.ignored.by}: ${one.ignored.reason}`
              : (one.comment ?? (one.groups.length > 0 ? `is a member of ${one.groups.join(', ')}` : 'no comment')),
          ),
      },
    ]),
  )
  cli.note('hp leftovers revoke|adopt|ignore RESOURCE ROLE -m REASON')
}
