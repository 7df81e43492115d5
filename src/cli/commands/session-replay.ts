import type { Answer } from '../../contract/routes.ts'
import type { Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { exposeLines, oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { clock } from '../times.ts'

type Replay = Answer<'replaySession'>
type Statement = Replay['items'][number]

/**
 * What ran in a session, in order, with times and outcomes and each text as it is kept, line by line. With `--json` the
 * session in one line, then a line a statement.
 */
export async function run(cli: Cli, { id }: { readonly id: string }): Promise<number> {
  const client = await cli.api()
  let cursor: string | undefined
  let begun = false
  let count = 0
  do {
    const page = await client.call('replaySession', { params: { id }, query: optional({ cursor, limit: '200' }) })
    if (!begun) showSession(cli, page.session)
    begun = true
    for (const one of page.items) {
      if (cli.wantsJson) cli.json({ statement: one })
      else cli.print(lines(cli, one))
    }
    count += page.items.length
    cursor = page.next
  } while (cursor !== undefined)
  if (count === 0) cli.note('Nothing is recorded of it.')
  return EXIT.ok
}

function showSession(cli: Cli, session: Replay['session']): void {
  if (cli.wantsJson) return cli.json({ session })
  const { principal, resource, database, client, sourceAddress, openedAt, closedAt } = session
  const now = cli.now()
  const end = closedAt === undefined ? 'open' : `until ${clock(closedAt, now)} (${session.why ?? '?'})`
  const on = database === resource ? resource : `${resource}/${database}`
  const using = client === '' ? '' : ` with ${client}`
  cli.print(
    `${cli.paint('bold', oneLine(session.id))}  ${oneLine(`${principal} on ${on} from ${sourceAddress}${using}`)}, ${clock(openedAt, now)}, ${end}`,
  )
}

function lines(cli: Cli, one: Statement): string {
  const rows = one.rows === undefined ? [] : [`${one.rows} ${one.rows === 1 ? 'row' : 'rows'}`]
  const state = one.sqlstate === undefined ? [] : [oneLine(one.sqlstate)]
  const request = one.request === undefined ? [] : [oneLine(one.request)]
  const style = one.outcome === 'succeeded' ? 'green' : 'red'
  const facts = [...state, ...rows, `${(one.durationMicros / 1000).toFixed(1)} ms`, ...request].join('  ')
  const head = `${cli.paint('dim', `${String(one.number).padStart(4)}  ${offset(one.afterMs)}`)}  ${one.verbs.join(', ')}  ${cli.paint(style, one.outcome)}  ${cli.paint('dim', facts)}`
  return [head, ...exposeLines(one.text).map((line) => `      ${line}`)].join('\n')
}

/** `+0:03.120`, `+1:02:03.004`: how long after the beginning. */
function offset(ms: number): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const [hours, minutes, seconds] = [
    Math.floor(ms / 3_600_000),
    Math.floor(ms / 60_000) % 60,
    Math.floor(ms / 1_000) % 60,
  ]
  const above = hours === 0 ? String(minutes) : `${hours}:${two(minutes)}`
  return `+${above}:${two(seconds)}.${String(ms % 1_000).padStart(3, '0')}`
}
