import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { createJobUseCases } from '../src/app/jobs/create-job-use-cases.ts'
import { deliver } from '../src/app/webhooks/deliver.ts'
import { createWebhookUseCases } from '../src/app/webhooks/webhooks.ts'
import { checkWebhookUrl, createWebhookSender } from '../src/integration/webhooks/send.ts'
import { startJobRunner } from '../src/store/jobs-runner.ts'
import type { JobRunner } from '../src/store/jobs-runner.ts'
import { openStore } from '../src/store/open-store.ts'
import type { OpenStore } from '../src/store/open-store.ts'
import { createSealer } from '../src/store/sealing.ts'
import { TEST_KEYRING } from './support/app.ts'
import { approve, connectClient, refusal, requestsWorld, until, value } from './support/requests-world.ts'
import type { Process, RequestsWorld } from './support/requests-world.ts'

/* What happens to a request reaches an endpoint of the operator's: signed, at least once, and never more than facts. */

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let world: RequestsWorld
let process: Process
let opened: OpenStore
const runners: JobRunner[] = []
const sealer = createSealer(TEST_KEYRING)
beforeEach(async () => {
  world = await requestsWorld()
  process = await world.startProcess()
  opened = await openStore(world.url, () => undefined)
})
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.stop()))
  await opened.close()
  await world.close()
})

async function receiver(answers: readonly number[] = []) {
  const got: Got[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      got.push({ headers: request.headers, body })
      response.writeHead(answers[got.length - 1] ?? 200).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { got, host: `127.0.0.1:${port}` }
}

async function deliverTo(host: string) {
  const allowed = [host]
  const { store, clock } = opened
  const app = {
    ...createWebhookUseCases({ store, sealer, checkWebhookUrl: checkWebhookUrl({ allowed }) }),
    ...createJobUseCases({ store, jobs: opened.jobs }),
  }
  const deps = { store, sealer, clock, send: createWebhookSender({ allowed }), baseUrl: () => 'https://hp.example.com' }
  const runner = await startJobRunner({
    url: world.url,
    workers: { 'request-step': async () => undefined, delivery: (data, signal) => deliver(deps, data, signal) },
    onFault: () => undefined,
    every: 0.5,
  })
  runners.push(runner)
  return app
}

it('tells of a request from its opening to its end, in order of nothing but time, with a signature anybody can check', async () => {
  const { got, host } = await receiver()
  const app = await deliverTo(host)
  const { secret } = value(await app.createWebhook(world.caller('sam'), { name: 'siem', url: `http://${host}/hp` }))

  const client = await connectClient(world, process, 'ana')
  const text = "DELETE FROM carts WHERE owner = 'a secret of somebody'"
  const held = await process.gateway.hold(client.input(text))
  const id = held.request
  value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), id))))
  await until(async () => got.length >= 2, 'two deliveries')

  const events = got.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
  expect(new Set(events.map((event) => event['type']))).toEqual(
    new Set(['dev.holdpoint.request.opened', 'dev.holdpoint.request.approved']),
  )
  const openedEvent = events.find((event) => event['type'] === 'dev.holdpoint.request.opened')
  expect(openedEvent).toMatchObject({
    specversion: '1.0',
    id: `${id}_request_opened`,
    source: 'https://hp.example.com',
    subject: `request/${id}`,
    data: { request: id, state: 'pending', requester: 'ana', resource: 'shop-db', asked: ['mia'] },
  })
  expect(openedEvent?.['data']).toMatchObject({ url: `https://hp.example.com/r/${id}` })
  for (const { headers, body } of got) {
    expect(body).not.toContain('somebody')
    const stamp = String(headers['webhook-timestamp'])
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    const mac = createHmac('sha256', key)
      .update(`${String(headers['webhook-id'])}.${stamp}.${body}`)
      .digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${mac}`)
    expect(Math.abs(Number(stamp) - Date.now() / 1_000)).toBeLessThan(300)
  }
  // Neither the secret nor the statement is in a job.
  const rows = await world.query<{ row: string }>('SELECT j::text AS row FROM pgboss.job j')
  expect(rows.filter(({ row }) => row.includes('somebody') || row.includes(secret))).toEqual([])
})

it('tries again under the same id until it is taken; what nobody takes is a dead letter that can be sent once more', async () => {
  await world.query(
    "UPDATE pgboss.queue SET retry_limit = 1, retry_delay = 0, retry_backoff = false WHERE name = 'delivery'",
  )
  const { got, host } = await receiver([500, 302, 200])
  const app = await deliverTo(host)
  const sam = world.caller('sam')
  value(await app.createWebhook(sam, { name: 'siem', url: `http://${host}/hp`, events: ['request.opened'] }))
  const { event } = value(await app.testWebhook(sam, 'siem'))
  await until(
    async () => value(await app.listJobs(sam, { state: 'failed', webhook: 'siem' })).length === 1,
    'a dead letter',
  )
  const [letter] = value(await app.listJobs(sam, { state: 'failed' }))
  expect(letter).toMatchObject({
    attempts: 2,
    error: 'the receiver answered 302',
    about: expect.stringContaining('siem'),
  })
  expect(refusal(await app.retryJob(world.caller('mia'), letter?.id ?? ''))).toBe('not_permitted')
  value(await app.retryJob(sam, letter?.id.slice(0, 8) ?? ''))
  await until(async () => got.length === 3, 'one more attempt')
  expect(new Set(got.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([event]))
  await until(async () => value(await app.listJobs(sam, { state: 'done', webhook: 'siem' })).length === 1, 'its end')
  expect(refusal(await app.retryJob(sam, letter?.id ?? ''))).toBe('not_failed')
  expect(await world.kinds(`job/${letter?.id ?? ''}`)).toEqual(['job.retried'])
})

it('only administrators set them up, only where they may reach, and removing one takes its secret along', async () => {
  const { got, host } = await receiver()
  const app = await deliverTo(host)
  const url = `http://${host}/hp`
  const sam = world.caller('sam')
  expect(refusal(await app.createWebhook(world.caller('mia'), { name: 'siem', url }))).toBe('not_permitted')
  expect(refusal(await app.createWebhook(world.caller('sam', ['read']), { name: 'siem', url }))).toBe('not_permitted')
  for (const wrong of ['https://169.254.169.254/', 'http://example.com/', 'nonsense'])
    expect(refusal(await app.createWebhook(sam, { name: 'siem', url: wrong }))).toBe('invalid_input')
  expect(refusal(await app.createWebhook(sam, { name: 'siem', url, events: ['request.eaten'] }))).toBe('invalid_input')
  value(await app.createWebhook(sam, { name: 'siem', url }))
  expect(refusal(await app.createWebhook(sam, { name: 'siem', url }))).toBe('already_exists')
  expect(await world.query('SELECT name FROM secret')).toEqual([{ name: 'webhook.siem' }])
  value(await app.deleteWebhook(sam, 'siem'))
  expect(await world.query('SELECT name FROM secret')).toEqual([])
  expect(refusal(await app.testWebhook(sam, 'siem'))).toBe('not_found')
  expect(got).toEqual([])
  expect(await world.kinds('webhook/siem')).toEqual(['webhook.made', 'webhook.removed'])
})
