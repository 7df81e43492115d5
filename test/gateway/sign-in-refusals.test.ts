import { afterAll, beforeAll, expect, it } from 'vitest'
import { installation, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { until } from '../support/requests-world.ts'

let world: Installation
beforeAll(async () => {
  world = await installation()
})
afterAll(() => world[Symbol.asyncDispose]())

const turnedAway = (more: { user?: string; password?: string; database?: string }) =>
  expect(withClient({ ...world.connection, ...more }, async () => undefined)).rejects.toThrow()

/** What the record says about this subject, once it says so many things. */
async function recorded(subject: string, expected: number) {
  const read = async () => (await world.as('sam').call('listRecord', { query: { subject } })).items
  await until(async () => (await read()).length >= expected, `${expected} entries about ${subject}`)
  return (await read()).map(({ kind, actor, body }) => ({ kind, actor, ...body }))
}
const SIGN_IN = {
  kind: 'access.refused',
  what: 'sign-in at the PostgreSQL gateway',
  sourceAddress: '127.0.0.1',
  count: 1,
}

it('whoever is turned away at the gateway is in the record, and no token is', async () => {
  const { text: devs, id } = await world.as('dev').call('issueToken', { body: { kind: 'gateway' } })
  await world.as('dev').call('revokeToken', { params: { id } })
  await turnedAway({ user: 'dev', password: devs })
  expect(await recorded('access/dev', 1)).toEqual([
    { ...SIGN_IN, actor: undefined, refusal: 'wrong_credentials', why: 'no live gateway token of theirs' },
  ])
  // Mia never had a token here.
  await turnedAway({ user: 'mia', password: devs })
  expect(await recorded('access/mia', 1)).toMatchObject([{ why: 'no live gateway token of theirs' }])

  await turnedAway({ user: world.connection.password })
  await turnedAway({ user: `no\u202Ebody${'x'.repeat(200)}` })
  const strangers = await recorded('access/unknown', 2)
  expect(strangers).toMatchObject([
    { ...SIGN_IN, user: 'hp_…', why: 'nobody has this name' },
    { ...SIGN_IN, user: `no\\u{202e}body${'x'.repeat(50)}`, why: 'nobody has this name' },
  ])

  // Ana is who she says, and asks for what is not there.
  await turnedAway({ database: 'no-such-db' })
  await turnedAway({ database: 'Not A Name' })
  expect(await recorded('access/ana', 2)).toEqual([
    { ...SIGN_IN, actor: 'ana', refusal: 'not_found', resource: 'no-such-db' },
    { ...SIGN_IN, actor: 'ana', refusal: 'not_found' },
  ])
  await world.as('sam').call('updatePerson', { params: { name: 'ana' }, body: { disabled: true } })
  await turnedAway({})
  expect((await recorded('access/ana', 3))[2]).toEqual({
    ...SIGN_IN,
    actor: undefined,
    refusal: 'wrong_credentials',
    why: 'the account is disabled',
  })

  await expect(
    world.as('sam').call('signIn', { body: { name: 'mia', password: 'not the right pass phrase' } }),
  ).rejects.toThrow()
  expect((await recorded('access/unknown', 3))[2]).toMatchObject({
    what: 'POST /v1/sign-in',
    refusal: 'wrong_credentials',
    sourceAddress: '127.0.0.1',
  })
  expect(world.logged).toEqual([])
})
