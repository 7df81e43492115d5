import { onceDespiteLoss, signedIn } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { momentOf } from '../moments.ts'
import { renderTable } from '../table.ts'
import { clock, left } from '../times.ts'

interface Input {
  readonly to?: string
  readonly until?: string
  readonly stop?: boolean
}

/** Somebody answers in your place while you are away; without options, who answers for whom. */
export async function run(cli: Cli, { to, until, stop }: Input): Promise<void> {
  if (stop === true) {
    const client = await cli.api()
    await onceDespiteLoss((idempotencyKey) => client.call('endDelegation', {}, { idempotencyKey }))
    if (cli.wantsJson) return cli.json({ ended: true })
    return cli.print('You answer for yourself again.')
  }
  if (to === undefined && until === undefined) return list(cli)
  if (to === undefined) throw usage('say who answers in your place', 'Add: --to NAME')
  if (until === undefined) throw usage('say until when', 'Add: --until friday, --until 3d, or --until 2026-11-27')
  const end = momentOf(until, cli.now(), '--until')
  const client = await cli.api()
  const made = await onceDespiteLoss((idempotencyKey) =>
    client.call('delegate', { body: { to, until: new Date(end).toISOString() } }, { idempotencyKey }),
  )
  if (cli.wantsJson) return cli.json({ delegation: made })
  cli.print(`${oneLine(made.to)} answers in your place until ${clock(made.until, cli.now())}.`)
  if (made.requests > 0)
    cli.note(
      `${made.requests} ${made.requests === 1 ? 'request that waits' : 'requests that wait'} for you went along.`,
    )
  cli.note('Back sooner: hp delegate --stop')
}

async function list(cli: Cli): Promise<void> {
  const { items } = await (await cli.api()).call('listDelegations', {})
  if (cli.wantsJson) return cli.json({ items })
  const me = (await signedIn(cli)).principal.name
  if (items.length === 0) return cli.note('Nobody answers for you, and you for nobody. See: hp delegate --help')
  cli.print(
    renderTable(cli.terminal, items, [
      { title: 'WHO', cell: (one) => (one.person === me ? 'you' : one.person) },
      { title: 'ANSWERED FOR BY', cell: (one) => (one.to === me ? 'you' : one.to) },
      { title: 'UNTIL', cell: (one) => clock(one.until, cli.now()) },
      { title: 'TIME', cell: (one) => left(one.until, cli.now()) },
    ]),
  )
}
