import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Done } from '../../src/domain/request/divergence.ts'
import { connectClient, DOCUMENTS, refusal, requestsWorld, value } from '../support/requests-world.ts'
import type { Client, Process, RequestsWorld } from '../support/requests-world.ts'

let world: RequestsWorld
let process: Process
beforeAll(async () => {
  world = await requestsWorld()
  process = await world.startProcess()
})
afterAll(() => world.close())

const deleted = (object: string, rows: number) => ({ object, within: [], inserted: 0, updated: 0, deleted: rows })

async function hold(client: Client, text: string) {
  const input = client.input(text, ['delete'])
  const opened = await process.gateway.hold(input)
  if (opened.kind !== 'held') throw new Error(`it is ${opened.kind}`)
  return { request: opened.request, digest: input.digest }
}

/** Ana's statement, approved by Mia and run to this end. */
async function ran(done: Done & { readonly outcome: 'succeeded' | 'failed' }): Promise<string> {
  const client = await connectClient(world, process, 'ana')
  const held = await hold(client, 'DELETE FROM carts')
  value(await world.app.review(world.caller('mia'), held.request, { verdict: 'approve', digest: held.digest }))
  await process.gateway.start(held.request, { session: client.session, digest: held.digest })
  await process.gateway.finish(held.request, done)
  return held.request
}

it('nothing is owed for what was done as it was approved', async () => {
  const id = await ran({ outcome: 'succeeded', rows: 3, touched: [deleted('public.carts', 3)], durationMicros: 1_500 })
  const view = value(await world.app.getRequest(world.caller('mia'), id))
  expect(view.execution).toMatchObject({
    state: 'succeeded',
    done: { rows: 3, touched: [deleted('public.carts', 3)], durationMicros: 1_500 },
  })
  expect(view.afterwards).toBeUndefined()
  expect(view.may.acknowledge).toBe('not_divergent')
  expect(refusal(await world.app.acknowledge(world.caller('mia'), id, { words: 'seen' }))).toBe('not_divergent')
})

it('who approved it looks at what was done otherwise, and says so; nobody else, and never who asked', async () => {
  const id = await ran({ outcome: 'succeeded', rows: 3, touched: [deleted('public.orders', 3)] })
  const inbox = async (name: string) =>
    value(await world.app.inbox(world.caller(name))).afterwards.map((one) => one.request.id)
  expect(await inbox('mia')).toEqual([id])
  expect(await inbox('ana')).toEqual([])
  const { afterwards } = value(await world.app.getRequest(world.caller('ana'), id))
  expect(afterwards).toMatchObject({ why: [{ kind: 'other_objects', objects: ['public.orders'] }], asked: ['mia'] })
  const acknowledge = (name: string, words = 'seen') => world.app.acknowledge(world.caller(name), id, { words })
  for (const name of ['ana', 'dev', 'sam', 'olu']) expect(refusal(await acknowledge(name))).toBe('not_permitted')
  expect(refusal(await acknowledge('lee'))).toBe('not_found')
  expect(refusal(await acknowledge('mia', ' \n'))).toBe('invalid_input')
  expect(
    value(await acknowledge('mia', 'The orders went with them, as they should.')).afterwards?.acknowledged,
  ).toMatchObject({
    by: 'mia',
    words: 'The orders went with them, as they should.',
  })
  expect(refusal(await acknowledge('mia'))).toBe('acknowledged')
  expect(await inbox('mia')).toEqual([])
  expect((await world.kinds(`request/${id}`)).slice(-3)).toEqual([
    'execution.succeeded',
    'review.due',
    'review.acknowledged',
  ])
})

it('SQL itself keeps it as it was: for its requester, for whoever was not asked, and for good', async () => {
  const id = await ran({ outcome: 'failed', overCap: true, sqlstate: '54000', touched: [deleted('public.carts', 9)] })
  const number = id.slice(3)
  const set = (by: string) =>
    world.query(
      `UPDATE review_afterwards SET acknowledged_by = '${by}', words = 'x', acknowledged_at = 1 WHERE request = ${number}`,
    )
  await expect(set('ana')).rejects.toThrow()
  await expect(set('dev')).rejects.toThrow()
  await set('mia')
  await expect(set('mia')).rejects.toThrow('acknowledged once')
  await expect(world.query(`DELETE FROM review_afterwards WHERE request = ${number}`)).rejects.toThrow('refused')
})

it('a reviewer lowers the number of rows, never raises it, and must say one where the rules cannot', async () => {
  const cap = (rowCap: string) => DOCUMENTS.replace('timeout: 15m, grantAtMost: 1h', `timeout: 15m, rowCap: ${rowCap}`)
  world.change({ documents: cap('500') })
  const client = await connectClient(world, process, 'ana')
  const give = (id: string, digest: string, rowsAtMost?: number) =>
    world.app.review(world.caller('mia'), id, {
      verdict: 'approve',
      digest,
      ...(rowsAtMost === undefined ? {} : { rowsAtMost }),
    })
  const first = await hold(client, 'DELETE FROM carts')
  expect(refusal(await give(first.request, first.digest, 501))).toBe('not_fewer')
  for (const wrong of [0, -1, 1.5, Number.NaN])
    expect(refusal(await give(first.request, first.digest, wrong))).toBe('invalid_input')
  const view = value(await give(first.request, first.digest, 40))
  expect(view.grant?.rowsAtMost).toBe(40)
  expect(await process.gateway.start(first.request, { session: client.session, digest: first.digest })).toMatchObject({
    kind: 'go',
    rowCap: 40,
  })
  await process.gateway.finish(first.request, { outcome: 'succeeded' })

  world.change({ documents: cap('1.5x') })
  const second = await hold(client, 'DELETE FROM carts WHERE true')
  expect(refusal(await give(second.request, second.digest))).toBe('rows_required')
  expect(value(await give(second.request, second.digest, 7)).request.state).toBe('approved')
  expect(await process.gateway.start(second.request, { session: client.session, digest: second.digest })).toMatchObject(
    {
      rowCap: 7,
    },
  )
  world.change({ documents: DOCUMENTS })
})
