import type { Answer } from '../../contract/routes.ts'
import type { Cli } from '../cli.ts'
import { usage } from '../exit.ts'
import { renderTable } from '../table.ts'
import { clock, left, span } from '../times.ts'

type Job = Answer<'listJobs'>['items'][number]
interface Input {
  readonly failed?: boolean
  readonly webhook?: string
  readonly limit?: string
}

/** What is done later: deliveries, reminders, escalations. Dead letters are tried again with `hp jobs retry`. */
export async function run(cli: Cli, { failed, webhook, limit }: Input): Promise<void> {
  if (limit !== undefined && !/^[1-9][0-9]{0,2}$/.test(limit)) throw usage('--limit: a number from 1 to 200')
  const query = {
    ...(failed === true ? { state: 'failed' as const } : {}),
    ...(webhook === undefined ? {} : { webhook }),
    ...(limit === undefined ? {} : { limit }),
  }
  const { items } = await (await cli.api()).call('listJobs', { query })
  if (cli.wantsJson) return cli.json({ items })
  if (items.length === 0) return cli.note(failed === true ? 'Nothing has failed.' : 'There is nothing.')
  const now = cli.now()
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'ID', cell: (one) => one.id.slice(0, SHORT) },
      { title: 'STATE', cell: (one) => one.state, style: styleOf },
      { title: 'WHAT', cell: (one) => (one.queue === 'delivery' ? 'deliver' : 'step') },
      { title: 'ABOUT', cell: (one) => one.about, shrinkTo: 20 },
      { title: 'TRIED', cell: (one) => String(one.attempts), align: 'right' },
      { title: 'WHEN', cell: (one) => whenOf(one, now) },
      { title: 'ERROR', cell: (one) => one.error ?? '', shrinkTo: 20, dropAt: 2 },
    ]),
  )
  const dead = items.find((one) => one.state === 'failed')
  if (dead !== undefined) cli.note(`\nOnce more: hp jobs retry ${dead.id.slice(0, SHORT)}`)
}

/** As much of an id as tells jobs apart. */
const SHORT = 13

const styleOf = ({ state }: Job): 'red' | 'yellow' | 'dim' | undefined =>
  state === 'failed' ? 'red' : state === 'retrying' ? 'yellow' : state === 'done' ? 'dim' : undefined

function whenOf(one: Job, now: number): string {
  if (one.endedAt !== undefined) return clock(one.endedAt, now)
  const late = now - Date.parse(one.dueAt)
  return late > 0 ? `${span(late)} late` : `in ${left(one.dueAt, now).replace(/ left$/, '')}`
}
