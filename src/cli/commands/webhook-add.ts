import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { EVENT_TYPES } from '../../domain/request/event-types.ts'
import type { EventType } from '../../domain/request/event-types.ts'

interface Input {
  readonly name: string
  readonly url: string
  readonly event?: readonly string[]
}

/** Prints the secret alone on standard output: it is shown this once. */
export async function run(cli: Cli, { name, url, event }: Input): Promise<void> {
  const wrong = event?.find((one) => !isEvent(one))
  if (wrong !== undefined)
    throw usage(`--event: there is no event '${oneLine(wrong)}'`, `Events: ${EVENT_TYPES.join(', ')}.`)
  const events = event?.filter(isEvent)
  const client = await cli.api()
  const made = await onceDespiteLoss((idempotencyKey) =>
    client.call(
      'createWebhook',
      { body: { name, url, ...(events === undefined ? {} : { events }) } },
      { idempotencyKey },
    ),
  )
  if (cli.wantsJson) return cli.json({ webhook: made })
  cli.print(made.secret)
  cli.note(`Shown this once: the secret that deliveries to ${oneLine(made.url)} are signed with (Standard Webhooks).`)
  cli.note(`Try it: hp webhook test ${oneLine(made.name)}; then: hp jobs --webhook ${oneLine(made.name)}`)
}

const isEvent = (text: string): text is EventType => (EVENT_TYPES as readonly string[]).includes(text)
