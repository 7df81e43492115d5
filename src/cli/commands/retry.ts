import { afterAsking } from '../after-asking.ts'
import { onceDespiteLoss } from '../cli.ts'
import type { AccessRequest, Cli } from '../cli.ts'
import { EXIT, Stop } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { openGateway } from '../gateway-access.ts'
import { runOneText } from '../psql-lite.ts'

/**
 * Asks again for what expired, was denied or voided. A window becomes a new request; a statement is sent again
 * through the gateway as a fresh action, which waits here as it would in psql.
 */
export async function run(cli: Cli, { id }: { readonly id: string }): Promise<number> {
  const client = await cli.api()
  const request = await client.call('getRequest', { params: { id } })
  if (request.subject.kind !== 'statement') {
    const fresh = await onceDespiteLoss((idempotencyKey) =>
      client.call('retryRequest', { params: { id } }, { idempotencyKey }),
    )
    return afterAsking(cli, fresh, undefined)
  }
  const text = await sendableText(cli, request, request.subject)
  cli.note(`Sending ${oneLine(request.id)} again. Ctrl-C withdraws it.`)
  const access = await openGateway(cli, 'hp retry')
  const { database } = request.subject.state
  const profile = await client.call('getResource', { params: { name: request.resource } })
  const place = database === profile.target.database ? request.resource : `${request.resource}/${database}`
  try {
    return await runOneText(cli, access, place, text, request.reason ?? cli.settings.reason)
  } finally {
    await access.forget()
  }
}

type Statement = Extract<AccessRequest['subject'], { kind: 'statement' }>

/** The text, when sending it again from here means the same as before. @throws Stop otherwise, saying why not. */
async function sendableText(cli: Cli, request: AccessRequest, subject: Statement): Promise<string> {
  const cannot = (why: string): Stop =>
    new Stop(
      EXIT.failed,
      `${oneLine(request.id)} cannot be sent again from here: ${why}`,
      'Run it again in your own client.',
    )
  const { principal } = await (await cli.api()).call('getMe', {})
  if (principal.name !== request.requester) throw cannot(`it was ${oneLine(request.requester)}'s`)
  if (request.state === 'pending' || request.state === 'approved') throw cannot(`it is ${request.state}`)
  if (subject.parameters.length > 0) throw cannot('it had bound values')
  if (subject.state.inTransaction) throw cannot('it stood inside a transaction')
  if (subject.state.temporaryObjects.length > 0) throw cannot('its session had temporary objects')
  if (subject.notCovered.length > 0) throw cannot(`it needs ${oneLine(subject.notCovered.join(', '))}`)
  if (!request.may.retry.allowed && request.may.retry.code !== 'not_retryable')
    throw cannot(oneLine(request.may.retry.title))
  return subject.text
}
