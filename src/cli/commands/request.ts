import { ApiProblem } from '../../contract/client.ts'
import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { EXIT } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { afterAsking } from '../after-asking.ts'
import { optional } from '../optional.ts'
import { verbsOf } from '../verbs.ts'

interface Input {
  readonly resource: string
  readonly verb: readonly string[]
  readonly for: string
  readonly reason?: string
  readonly wait?: string | true
  readonly credential?: boolean
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const verbs = verbsOf(input.verb)
  durationOf(input.for, '--for')
  const client = await cli.api()
  const body = {
    resource: input.resource,
    verbs,
    for: input.for,
    ...optional({ reason: input.reason ?? cli.settings.reason, credential: input.credential }),
  }
  try {
    const request = await onceDespiteLoss((idempotencyKey) =>
      client.call('requestWindow', { body }, { idempotencyKey }),
    )
    return await afterAsking(cli, request, input.wait)
  } catch (error) {
    // Nothing to ask for is good news: whoever waits for access has it.
    if (!(error instanceof ApiProblem) || error.problem.code !== 'nothing_to_approve') throw error
    if (cli.wantsJson) cli.json({ allowed: true })
    cli.note(oneLine(error.problem.title))
    return EXIT.ok
  }
}
