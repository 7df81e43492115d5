import type { Answer } from '../../contract/routes.ts'
import type { Cli } from '../cli.ts'
import { EXIT, usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { renderTable } from '../table.ts'
import { clock } from '../times.ts'

type Session = Answer<'listSessions'>['items'][number]

interface Input {
  readonly id?: string
  readonly all?: true
  readonly resource?: string
  readonly cut?: true
}

export async function run(cli: Cli, input: Input): Promise<number> {
  if (input.cut === true) return cut(cli, input.id)
  await (input.id === undefined ? listSessions(cli, input) : listStatements(cli, input.id))
  return EXIT.ok
}

async function cut(cli: Cli, id: string | undefined): Promise<number> {
  if (id === undefined) throw usage('--cut needs the id of a session', 'See them: hp sessions')
  await (await cli.api()).call('cutSession', { params: { id } })
  cli.note(`Session ${oneLine(id)} is being cut.`)
  return EXIT.ok
}

async function listSessions(cli: Cli, input: Input): Promise<void> {
  const client = await cli.api()
  const items: Session[] = []
  let cursor: string | undefined
  do {
    const query = optional({
      open: input.all === true ? undefined : ('true' as const),
      resource: input.resource,
      cursor,
      limit: '200',
    })
    const page = await client.call('listSessions', { query })
    items.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  if (cli.wantsJson) return cli.json({ items })
  if (items.length === 0) {
    cli.note(input.all === true ? 'There were no sessions.' : 'No session is open.')
    return
  }
  const now = cli.now()
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'ID', cell: (one) => one.id },
      { title: 'WHO', cell: (one) => one.principal, style: () => 'bold' },
      {
        title: 'ON',
        cell: (one) => (one.database === one.resource ? one.resource : `${one.resource}/${one.database}`),
        shrinkTo: 10,
      },
      { title: 'CLIENT', cell: (one) => one.client, shrinkTo: 6, dropAt: 2 },
      { title: 'FROM', cell: (one) => one.sourceAddress, dropAt: 3 },
      { title: 'SINCE', cell: (one) => clock(one.openedAt, now) },
      { title: 'UNTIL', cell: (one) => (one.expiresAt === undefined ? '-' : clock(one.expiresAt, now)) },
      {
        title: 'STATE',
        cell: (one) => (one.state === 'open' ? 'open' : `closed (${one.why ?? '?'})`),
        style: (one) => (one.state === 'open' ? 'green' : 'dim'),
      },
    ]),
  )
}

async function listStatements(cli: Cli, id: string): Promise<void> {
  const client = await cli.api()
  let cursor: string | undefined
  do {
    const page = await client.call('listStatements', { params: { id }, query: optional({ cursor, limit: '200' }) })
    for (const one of page.items) {
      if (cli.wantsJson) cli.json({ ...one })
      else {
        const rows = one.rows === undefined ? '' : ` ${one.rows} rows`
        const request = one.request === undefined ? '' : ` ${oneLine(one.request)}`
        const style = one.outcome === 'succeeded' ? 'green' : 'red'
        cli.print(
          `${cli.paint('dim', `${String(one.number).padStart(4)}  ${clock(one.at, cli.now())}`)}  ${one.verbs.join(', ').padEnd(8)}  ${cli.paint(style, one.outcome)}${request}${rows} ${cli.paint('dim', `${(one.durationMicros / 1000).toFixed(1)} ms`)}  ${oneLine(one.text)}`,
        )
      }
    }
    cursor = page.next
  } while (cursor !== undefined)
}
