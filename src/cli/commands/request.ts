import { NAMED_VERBS } from '../../domain/verb.ts'
import type { NamedVerb } from '../../domain/verb.ts'
import { ApiProblem } from '../../contract/client.ts'
import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { EXIT, usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { afterAsking } from '../after-asking.ts'
import { optional } from '../optional.ts'

interface Input {
  readonly resource: string
  readonly verb: readonly string[]
  readonly for: string
  readonly reason?: string
  readonly wait?: string | true
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const verbs = [...new Set(input.verb.flatMap((text) => text.split(',')))].map(verbOf)
  durationOf(input.for, '--for')
  const client = await cli.api()
  const body = {
    resource: input.resource,
    verbs,
    for: input.for,
    ...optional({ reason: input.reason ?? cli.settings.reason }),
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

function verbOf(text: string): NamedVerb {
  const verb = NAMED_VERBS.find((one) => one === text)
  if (verb === undefined)
    throw usage(`--verb: there is no verb '${oneLine(text)}'`, `Verbs: ${NAMED_VERBS.join(', ')}.`)
  return verb
}
