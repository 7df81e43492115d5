import { expect, test } from 'vitest'
import { ApiProblem } from '../contract/client.ts'
import type { ProblemBody } from '../contract/problem.ts'
import type { AccessRequest } from './cli.ts'
import { tell } from './report-error.ts'
import { stateWords } from './request-words.ts'

const problem = (extra: Partial<ProblemBody>): ApiProblem =>
  new ApiProblem({
    type: '/problems/x',
    code: 'invalid_input',
    title: 'The input is not valid.',
    status: 400,
    ...extra,
  })

test.each([
  ['/name', 'name'],
  ['/items/3/name', 'items.3.name'],
  ['/a~1b~0c', 'a/b~c'],
  ['', 'body'],
])('a wrong field at %j is told as %j', (path, shown) => {
  const told = tell(problem({ errors: [{ in: 'body', path, message: 'must be a word' }] }))
  expect(told.before).toEqual([`${shown}: must be a word`])
})

test('a title and its detail are one sentence', () => {
  expect(tell(problem({ detail: 'resource nope', title: 'There is no such thing.' })).error).toBe(
    'There is no such thing: resource nope',
  )
})

test.each([
  ['withdrawn by sam', 'withdrawn by sam'],
  ['the client cancelled', 'withdrawn: the client cancelled'],
  ['withdrawnness', 'withdrawn: withdrawnness'],
])('a request that was withdrawn because of %j reads: %s', (why, words) => {
  const request = { state: 'withdrawn', outcome: { at: '', why }, reviews: [] } as unknown as AccessRequest
  expect(stateWords(request)).toBe(words)
})
