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
  readonly after?: string
}

/** The record, oldest first, to its end or `--limit`. With `--json` one line an entry. */
export async function run(cli: Cli, input: Input): Promise<void> {
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
    for (const entry of items) {
      if (cli.wantsJson) cli.json({ ...entry })
      else cli.print(entryLine(cli, entry))
    }
    printed += items.length
    if (items.length === 0 || next === undefined) return
    cursor = next
  }
}
