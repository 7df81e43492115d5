import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClassifier } from '../../classify/postgres/classifier.ts'
import type { Classifier, TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { ResourceName } from '../../domain/ids.ts'
import { planWork } from './work.ts'
import type { Work } from './work.ts'

const NOTHING_ADDED: TargetCatalogue = {
  version: '1',
  functions: new Set(),
  operators: new Set(),
  relations: new Map(),
  harmlessTypes: new Set(),
  otherTypes: new Set(),
  userCasts: false,
}
let classifier: Classifier
beforeAll(async () => {
  classifier = await createClassifier({ atOnce: 512 * 1024 })
})
afterAll(() => classifier.close())

const plan = (text: string): Work =>
  planWork('shop-db' as ResourceName, classifier.classify(text, NOTHING_ADDED, 'public'), () => undefined, undefined)

test('a text that says the same thing many times is one action for each verb, and all of its effects', () => {
  const work = plan(Array.from({ length: 2_000 }, (_, n) => `INSERT INTO carts VALUES (${n})`).join(';'))
  expect(work.actions.map((action) => action.verb)).toEqual(['write'])
  expect(work.effects).toHaveLength(2_000)
  expect(plan('SELECT 1 FROM a; SELECT 1 FROM b; DELETE FROM a; SELECT 2 FROM a').actions).toHaveLength(3)
})

test('a text that does more different things than rules can be asked about is unknown', () => {
  const work = plan(Array.from({ length: 1_500 }, (_, n) => `SELECT 1 FROM t${n}`).join(';'))
  expect(work.actions).toEqual([{ resource: 'shop-db', verb: 'unknown', facts: {} }])
  expect(work).toMatchObject({ changes: true, because: 'it does more than 1000 different things at once' })
})
