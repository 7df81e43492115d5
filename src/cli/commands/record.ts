import type { Answer } from '../../contract/routes.ts'
import type { Cli } from '../cli.ts'
import { entryLine } from '../entry-line.ts'
import { usage } from '../exit.ts'
import { optional } from '../optional.ts'

/** The server's largest page. */
const PAGE = 200

interface Input {
  readonly resource?: string
  readonly subject?: string
  readonly limit?: string
  readonly last?: string
  readonly after?: string
}

/** What fits a look at a terminal. */
const GLANCE = 50

/**
 * The record, oldest first, to its end or `--limit`; the newest with `--last`, and for a person who asks for nothing
 * more. With `--json` one line an entry.
 */
export async function run(cli: Cli, input: Input): Promise<void> {
  if (input.last !== undefined && !(/^[1-9][0-9]{0,2}$/.test(input.last) && Number(input.last) <= PAGE))
    throw usage(`--last must be a whole number from 1 to ${PAGE}`)
  const paged = input.limit !== undefined || input.after !== undefined
  const glance = cli.terminal.outIsTerminal && !cli.wantsJson && !paged && input.last === undefined
  if (glance || input.last !== undefined) return newest(cli, input, input.last ?? String(GLANCE), glance)
  const limit = input.limit === undefined ? Number.POSITIVE_INFINITY : Number(input.limit)
  if (input.limit !== undefined && !/^[1-9][0-9]{0,8}$/.test(input.limit)) throw usage('--limit must be a whole number')
  const client = await cli.api()
  let cursor = input.after
  let printed = 0
  while (printed < limit) {
    const query = optional({
      cursor,
      resource: input.resource,
      subject: input.subject,
      limit: String(Math.min(PAGE, limit - printed)),
    })
    const { items, next } = await client.call('listRecord', { query })
    show(cli, items)
    printed += items.length
    if (items.length === 0 || next === undefined) return
    cursor = next
  }
}

async function newest(cli: Cli, { resource, subject }: Input, last: string, glance: boolean): Promise<void> {
  const client = await cli.api()
  const { items } = await client.call('listRecord', { query: optional({ resource, subject, last }) })
  show(cli, items)
  if (glance && items.length === GLANCE) cli.note(`The last ${GLANCE}. More: --last N; all of it: hp record | less`)
}

function show(cli: Cli, items: Answer<'listRecord'>['items']): void {
  for (const entry of items) {
    if (cli.wantsJson) cli.json({ ...entry })
    else cli.print(entryLine(cli, entry))
  }
}
