import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { subjectLine } from '../request-words.ts'

interface Input {
  readonly id: string
  readonly message?: string
}

/** Ends a review afterwards: somebody who approved has looked at what was done, and says so. */
export async function run(cli: Cli, { id, message }: Input): Promise<void> {
  if (message === undefined || message.trim() === '')
    throw usage('say in words what you saw', `Add: -m "..."; look first: hp review ${oneLine(id)}`)
  const client = await cli.api()
  const request = await onceDespiteLoss((idempotencyKey) =>
    client.call('acknowledge', { params: { id }, body: { words: message } }, { idempotencyKey }),
  )
  if (cli.wantsJson) return cli.json({ request })
  cli.print(
    `acknowledged ${oneLine(request.id)}: ${oneLine(request.requester)} on ${oneLine(request.resource)}: ${subjectLine(request)}`,
  )
}
