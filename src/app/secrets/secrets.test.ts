import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGround } from '../../../test/support/app.ts'
import { accepted, testGround } from '../../../test/support/app.ts'
import { openSecret } from './create-secret-use-cases.ts'

let ground: TestGround
beforeAll(async () => {
  ground = await testGround()
})
afterAll(() => ground.close())

const VALUE = 'the-password-of-payments'
const open = (name: string) => openSecret({ store: ground.open.store, sealer: ground.sealer }, name)

test('a secret is set, used, replaced and deleted; its value stands nowhere', async () => {
  accepted(await ground.app.setSecret(ground.sam, 'payments-db', VALUE))
  expect(await open('payments-db')).toBe(VALUE)
  const listed = accepted(await ground.app.listSecrets(ground.sam))
  expect(listed).toEqual([{ name: 'payments-db', updatedAt: expect.any(Number) }])
  const [stored] = await ground.database.query<{ all: string }>(
    "SELECT (SELECT string_agg(encode(sealed, 'escape'), '') FROM secret) || (SELECT string_agg(convert_from(body, 'UTF8'), '') FROM record) AS all",
  )
  expect(stored?.all).not.toContain(VALUE)
  accepted(await ground.app.setSecret(ground.sam, 'payments-db', 'ein größeres'))
  expect(await open('payments-db')).toBe('ein größeres')
  accepted(await ground.app.deleteSecret(ground.sam, 'payments-db'))
  expect(await open('payments-db')).toBeUndefined()
  expect(await ground.app.deleteSecret(ground.sam, 'payments-db')).toEqual({ ok: false, refusal: 'not_found' })
  const kinds = (await ground.open.store.recorded.after(undefined, 100, { subject: 'secret/payments-db' })).map(
    (entry) => entry.kind,
  )
  expect(kinds).toEqual(['secret.set', 'secret.set', 'secret.deleted'])
})

test('a secret that was moved to another name in the database does not open', async () => {
  accepted(await ground.app.setSecret(ground.sam, 'one', VALUE))
  await ground.database.query(
    "INSERT INTO secret SELECT 'two', key_id, sealed, updated_at, updated_by FROM secret WHERE name = 'one'",
  )
  await expect(open('two')).rejects.toThrow(/does not open/)
  await expect(open('two')).rejects.not.toThrow(VALUE)
})

test('only administrators set, list and delete secrets', async () => {
  for (const caller of [
    await ground.caller('ana'),
    await ground.caller('olu', { roles: ['auditor'] }),
    await ground.caller('ci', { kind: 'service' }),
    { ...ground.sam, scopes: ['policy' as const] },
  ]) {
    expect(await ground.app.setSecret(caller, 'x', VALUE)).toMatchObject({ refusal: 'not_permitted' })
    expect(await ground.app.listSecrets(caller)).toMatchObject({ refusal: 'not_permitted' })
    expect(await ground.app.deleteSecret(caller, 'one')).toMatchObject({ refusal: 'not_permitted' })
  }
})

test.each(['../etc', 'A', '', '__proto__', 'a/b', 'a\u0000'])('a secret named %j is refused', async (name) => {
  expect(await ground.app.setSecret(ground.sam, name, VALUE)).toMatchObject({ refusal: 'invalid_input' })
})
test.each(['', 'with\u0000nul', 'x'.repeat(65_537)])('a value that no password can be is refused', async (value) => {
  expect(await ground.app.setSecret(ground.sam, 'x', value)).toMatchObject({ refusal: 'invalid_input' })
})
