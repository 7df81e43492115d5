import { expect, it } from 'vitest'
import { z } from 'zod'
import type { Route } from './route.ts'
import { routes } from './routes.ts'

const all: readonly (readonly [string, Route])[] = Object.entries(routes)

/** They change nothing, or there is nobody yet whose key it could be, or the caller is gone with the first call. */
const WITHOUT_KEY = [
  'setup',
  'signIn',
  'signOut',
  'diffDocuments',
  'checkDocuments',
  'testDocuments',
  'explain',
  'explainBatch',
  'updateRequest',
]

it('every call that changes something may be repeated with its key', () => {
  const changing = all.filter(([, route]) => route.method !== 'GET')
  expect(changing.filter(([, route]) => route.idempotent !== true).map(([id]) => id)).toEqual(WITHOUT_KEY)
  expect(all.filter(([, route]) => route.method === 'GET' && route.idempotent === true)).toEqual([])
})

it('no answer that holds a secret is kept for whoever repeats the call', () => {
  const SECRET = /"(?:text|secret|password|token)":\{"type":"string"/
  const telling = all.filter(
    ([, { response, idempotent }]) =>
      idempotent === true &&
      response !== undefined &&
      SECRET.test(JSON.stringify(z.toJSONSchema(response, { unrepresentable: 'any' }))),
  )
  const secret = telling.filter(([, route]) => route.tag !== 'Requests').map(([id]) => id)
  expect(secret.toSorted()).toEqual(['createWebhook', 'issueToken'])
  expect(all.filter(([, route]) => route.secretAnswer === true).map(([id]) => id)).toEqual(
    expect.arrayContaining(secret),
  )
})
