import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGround } from '../../../test/support/app.ts'
import { accepted, ADDRESS, PASSWORD, testGround } from '../../../test/support/app.ts'
import { millis } from '../../domain/time.ts'
import { openStore } from '../../store/open-store.ts'
import { gatewayVerifiers } from './gateway-verifiers.ts'
import { createPeopleUseCases } from './create-people-use-cases.ts'
import { isWeak } from './password.ts'
import { prepareSetup } from './setup.ts'

let ground: TestGround
beforeAll(async () => {
  ground = await testGround()
})
afterAll(() => ground.close())

const from = (sourceAddress: string) => ({ sourceAddress })
const HOUR = 3_600_000

test('setup makes one administrator, once, for whoever has the code', async () => {
  const fresh = await testGround()
  try {
    expect(await fresh.app.setupNeeded()).toBe(false)
    expect(await prepareSetup(fresh.open)).toBeUndefined()
    expect(
      await fresh.app.setup({ code: 'ANY', name: 'eve', password: PASSWORD, sourceAddress: ADDRESS }),
    ).toMatchObject({ ok: false, refusal: 'setup_done' })
  } finally {
    await fresh.close()
  }
})

test('of ten who use the code at once one becomes administrator, and a wrong code makes nobody', async () => {
  const { database } = ground
  await database.query("UPDATE principal SET roles = '{}' WHERE name = 'sam'")
  try {
    const code = (await prepareSetup(ground.open)) ?? ''
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}$/)
    expect(
      await ground.app.setup({
        code: '0000-0000-0000-0000-0000',
        name: 'olu',
        password: PASSWORD,
        sourceAddress: ADDRESS,
      }),
    ).toMatchObject({ refusal: 'wrong_code' })
    expect(await ground.app.setup({ code, name: 'Olu', password: PASSWORD, sourceAddress: ADDRESS })).toMatchObject({
      refusal: 'invalid_input',
    })
    expect(
      await ground.app.setup({ code, name: 'olu', password: 'password1234', sourceAddress: ADDRESS }),
    ).toMatchObject({ refusal: 'weak_password' })
    const typed = code.toLowerCase().replaceAll('-', ' ')
    const all = await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        ground.app.setup({ code: typed, name: `olu${n}`, password: PASSWORD, sourceAddress: ADDRESS }),
      ),
    )
    expect(all.filter((one) => one.ok).length).toBe(1)
    const made = await database.query("SELECT name FROM principal WHERE 'admin' = ANY(roles)")
    expect(made.length).toBe(1)
    // Nothing that would let somebody in stands in the database.
    const [row] = await database.query<{ everything: string }>(
      'SELECT (SELECT json_agg(i) FROM installation i)::text || (SELECT json_agg(t) FROM token t)::text AS everything',
    )
    for (const one of all) expect(row?.everything).not.toContain(one.ok ? one.value.text : code)
  } finally {
    await database.query("UPDATE principal SET roles = '{admin}' WHERE name = 'sam'")
    await database.query("UPDATE principal SET roles = '{}' WHERE name LIKE 'olu%'")
  }
})

test('unknown names, wrong passwords and disabled accounts answer alike', async () => {
  await ground.caller('dev')
  accepted(await ground.app.updatePerson(ground.sam, 'dev', { disabled: true }))
  const attempts = [
    { name: 'nobody-has-this', password: PASSWORD },
    { name: 'sam', password: 'not the right one' },
    { name: 'dev', password: PASSWORD },
    { name: "x' OR 1=1 --", password: PASSWORD },
    { name: 'sa\u0000m', password: 'p\u0000' },
  ]
  for (const attempt of attempts)
    expect(await ground.app.signIn({ ...attempt, ...from('192.0.2.1') })).toEqual({
      ok: false,
      refusal: 'wrong_credentials',
    })
  accepted(await ground.app.updatePerson(ground.sam, 'dev', { disabled: false }))
  accepted(await ground.app.signIn({ name: 'dev', password: PASSWORD, ...from('192.0.2.1') }))
})

test('guessing one name is throttled over all replicas and addresses, fifty at once too, and never the right password of others', async () => {
  await ground.caller('mia')
  const replica = await openStore(ground.database.url, () => undefined)
  const other = createPeopleUseCases({ store: replica.store, policy: () => undefined })
  try {
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, n) =>
        (n % 2 ? other : ground.app).signIn({ name: 'mia', password: `guess number ${n}`, ...from(`198.51.100.${n}`) }),
      ),
    )
    const looked = answers.filter((one) => !one.ok && one.refusal === 'wrong_credentials').length
    expect(looked).toBeGreaterThan(0)
    // Ten, and what came back while they ran.
    expect(looked).toBeLessThanOrEqual(12)
    expect(answers.filter((one) => !one.ok && one.refusal === 'too_many_attempts').length).toBe(24 - looked)
    expect(await ground.app.signIn({ name: 'mia', password: PASSWORD, ...from('198.51.100.99') })).toMatchObject({
      refusal: 'too_many_attempts',
    })
    accepted(await ground.app.signIn({ name: 'sam', password: PASSWORD, ...from('198.51.100.99') }))
  } finally {
    await replica.close()
  }
})

test('one address that tries many names is throttled', async () => {
  const answers = []
  for (let n = 0; n < 34; n++)
    answers.push(await ground.app.signIn({ name: `made-up-${n}`, password: 'x', ...from('203.0.113.5') }))
  expect(answers.some((one) => !one.ok && one.refusal === 'too_many_attempts')).toBe(true)
})

test('a right password gives its attempts back: everyday sign-ins never run out', async () => {
  await ground.caller('lee')
  for (let n = 0; n < 35; n++)
    accepted(await ground.app.signIn({ name: 'lee', password: PASSWORD, ...from('203.0.113.9') }))
})

test('a token works until it is revoked, expires, or its owner is disabled; then at once nowhere', async () => {
  const ana = await ground.caller('ana')
  const api = accepted(await ground.app.issueToken(ana, { kind: 'api', scopes: ['read'], label: 'laptop' }))
  expect(await ground.app.authenticate(api.text, '10.0.0.1')).toMatchObject({
    principal: { id: 'ana', displayName: 'ana' },
    token: api.id,
    scopes: ['read'],
    sourceAddress: '10.0.0.1',
  })
  for (const wrong of [
    api.text.slice(0, -1),
    `${api.text}x`,
    api.text.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    '',
    'hp_',
    api.id,
  ]) {
    expect(await ground.app.authenticate(wrong, ADDRESS)).toBeUndefined()
  }
  await expect
    .poll(async () => accepted(await ground.app.listTokens(ana)).find((one) => one.id === api.id)?.lastUsedAt)
    .toBeGreaterThan(0)
  accepted(await ground.app.revokeToken(ana, api.id))
  expect(await ground.app.authenticate(api.text, ADDRESS)).toBeUndefined()

  const short = accepted(await ground.app.issueToken(ana, { kind: 'api', lifetime: millis(20) }))
  await expect.poll(() => ground.app.authenticate(short.text, ADDRESS)).toBeUndefined()

  const kept = accepted(await ground.app.issueToken(ana, { kind: 'api' }))
  accepted(await ground.app.updatePerson(ground.sam, 'ana', { disabled: true }))
  expect(await ground.app.authenticate(kept.text, ADDRESS)).toBeUndefined()
  expect(await ground.app.issueToken(ana, { kind: 'api' })).toMatchObject({ refusal: 'not_signed_in' })
  accepted(await ground.app.updatePerson(ground.sam, 'ana', { disabled: false }))
  // What was ended stays ended.
  expect(await ground.app.authenticate(kept.text, ADDRESS)).toBeUndefined()
})

test('signing out ends that sign-in and no other', async () => {
  const first = await ground.caller('lee')
  const second = await ground.caller('lee')
  await ground.app.signOut(first)
  expect(accepted(await ground.app.listTokens(second)).map((one) => one.id)).not.toContain(first.token)
  expect(accepted(await ground.app.listTokens(second)).map((one) => one.id)).toContain(second.token)
})

test('a token never yields one that may more, or lives longer', async () => {
  const ana = await ground.caller('ana')
  const narrow = accepted(
    await ground.app.issueToken(ana, { kind: 'api', scopes: ['read', 'gateway'], lifetime: millis(HOUR) }),
  )
  const reader = await ground.app.authenticate(narrow.text, ADDRESS)
  if (reader === undefined) throw new Error('the token is not live')
  expect(await ground.app.issueToken(reader, { kind: 'api' })).toMatchObject({ refusal: 'scope_too_narrow' })
  expect(await ground.app.issueToken(reader, { kind: 'api', scopes: ['review'] })).toMatchObject({
    refusal: 'scope_too_narrow',
  })
  const child = accepted(await ground.app.issueToken(reader, { kind: 'api', scopes: ['read'] }))
  expect(child.expiresAt).toBeLessThanOrEqual(narrow.expiresAt)
  const gateway = accepted(await ground.app.issueToken(reader, { kind: 'gateway', lifetime: millis(12 * HOUR) }))
  expect(gateway).toMatchObject({ scopes: ['gateway'] })
  expect(gateway.expiresAt).toBeLessThanOrEqual(narrow.expiresAt)
})

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 0.5, 12 * HOUR + 1, 10 * 365 * 24 * HOUR])(
  'a gateway token of %s ms is refused',
  async (lifetime) => {
    expect(await ground.app.issueToken(ground.sam, { kind: 'gateway', lifetime: millis(lifetime) })).toMatchObject({
      refusal: 'invalid_input',
    })
  },
)

test('an administrator makes tokens for machines, and for no other person', async () => {
  await ground.caller('ana')
  const bot = await ground.caller('bot', { kind: 'agent', sponsor: 'ana' })
  expect(bot.principal).toMatchObject({ kind: 'agent', sponsor: 'ana' })
  expect(await ground.app.issueToken(ground.sam, { kind: 'api', for: 'ana' })).toMatchObject({
    refusal: 'not_permitted',
  })
  const ana = await ground.caller('ana')
  expect(await ground.app.issueToken(ana, { kind: 'api', for: 'bot' })).toMatchObject({ refusal: 'not_permitted' })
  expect(await ground.app.issueToken(ground.sam, { kind: 'api', for: 'nobody' })).toMatchObject({
    refusal: 'not_found',
  })
})

test('a disabled account is nobody, whatever its tokens say', async () => {
  const gone = await ground.caller('gone')
  await ground.database.query("UPDATE principal SET disabled = true WHERE name = 'gone'")
  expect(await ground.open.store.people.isLive(gone.token)).toBe(false)
  expect(await ground.open.store.people.liveTokens(gone.principal.id)).toEqual([])
})

test('an agent goes with its sponsor', async () => {
  await ground.caller('owner-of-agent')
  const agent = await ground.caller('agent-of-owner', { kind: 'agent', sponsor: 'owner-of-agent' })
  expect(await ground.open.store.people.isLive(agent.token)).toBe(true)
  accepted(await ground.app.updatePerson(ground.sam, 'owner-of-agent', { disabled: true }))
  expect(await ground.open.store.people.isLive(agent.token)).toBe(false)
})

test("nobody sees or revokes another's token, except an administrator", async () => {
  const ana = await ground.caller('ana')
  const lee = await ground.caller('lee')
  expect(await ground.app.revokeToken(lee, ana.token)).toEqual({ ok: false, refusal: 'not_found' })
  expect(accepted(await ground.app.listTokens(lee)).every((one) => one.principal === 'lee')).toBe(true)
  accepted(await ground.app.revokeToken(ground.sam, ana.token))
  expect(await ground.open.store.people.isLive(ana.token)).toBe(false)
  expect(await ground.app.revokeToken(lee, "T-'; DROP TABLE token")).toMatchObject({ refusal: 'not_found' })
})

test('accounts are managed by administrators who signed in or hold the whole scope', async () => {
  const ana = await ground.caller('ana')
  const auditor = await ground.caller('olu', { roles: ['auditor'] })
  const read = await ground.app.authenticate(
    accepted(await ground.app.issueToken(ground.sam, { kind: 'api', scopes: ['read', 'policy'] })).text,
    ADDRESS,
  )
  if (read === undefined) throw new Error('the token is not live')
  for (const caller of [ana, auditor, read, { ...ana, principal: { ...ana.principal, roles: ['admin' as const] } }]) {
    expect(await ground.app.createPerson(caller, { name: 'x', kind: 'user', roles: [] })).toMatchObject({
      refusal: 'not_permitted',
    })
    expect(await ground.app.updatePerson(caller, 'lee', { roles: ['admin'] })).toMatchObject({
      refusal: 'not_permitted',
    })
    expect(await ground.app.updatePerson(caller, 'lee', { password: PASSWORD })).toMatchObject({
      refusal: 'not_permitted',
    })
  }
  expect(await ground.app.updatePerson(ana, 'ana', { roles: ['admin'] })).toMatchObject({ refusal: 'not_permitted' })
  expect(await ground.app.updatePerson(ana, 'ana', { disabled: false })).toMatchObject({ refusal: 'not_permitted' })
  expect(accepted(await ground.app.updatePerson(ana, 'ana', { displayName: 'Ana' })).displayName).toBe('Ana')
})

test.each([
  [{ kind: 'agent' as const, roles: [] }, /sponsor/],
  [{ kind: 'agent' as const, roles: [], sponsor: 'ci-of-test' }, /no enabled user/],
  [{ kind: 'agent' as const, roles: [], sponsor: 'nobody' }, /no enabled user/],
  [{ kind: 'user' as const, roles: [], sponsor: 'sam' }, /only an agent/],
  [{ kind: 'service' as const, roles: ['admin' as const] }, /no roles and no password/],
  [{ kind: 'service' as const, roles: [], password: PASSWORD }, /no roles and no password/],
  [{ kind: 'user' as const, roles: [], displayName: 'An\u202Ea' }, /visible/],
  [{ kind: 'user' as const, roles: [], displayName: ' ' }, /visible/],
])('an account of %o is refused', async (input, detail) => {
  await ground.caller('ci-of-test', { kind: 'service' })
  expect(await ground.app.createPerson(ground.sam, { name: 'misfit', ...input })).toMatchObject({
    refusal: 'invalid_input',
    detail: expect.stringMatching(detail),
  })
})

test.each(['Ana', 'аna', 'a na', '', '-a', '__proto__', 'a'.repeat(64), 'ana\u0000', '../ana'])(
  'the name %j is refused',
  async (name) => {
    expect(await ground.app.createPerson(ground.sam, { name, kind: 'user', roles: [] })).toMatchObject({
      refusal: 'invalid_input',
    })
  },
)

test('a name that is taken stays taken', async () => {
  await ground.caller('ana')
  expect(await ground.app.createPerson(ground.sam, { name: 'ana', kind: 'service', roles: [] })).toEqual({
    ok: false,
    refusal: 'already_exists',
  })
})

test('two administrators who demote each other at once: one stays', async () => {
  const lee = await ground.caller('lee')
  accepted(await ground.app.updatePerson(ground.sam, 'lee', { roles: ['admin'] }))
  const promoted = { ...lee, principal: { ...lee.principal, roles: ['admin' as const] } }
  const both = await Promise.all([
    ground.app.updatePerson(ground.sam, 'lee', { roles: [] }),
    ground.app.updatePerson(promoted, 'sam', { disabled: true }),
  ])
  expect(both.filter((one) => one.ok).length).toBe(1)
  const left = await ground.database.query("SELECT name FROM principal WHERE 'admin' = ANY(roles) AND NOT disabled")
  expect(left.length).toBe(1)
  await ground.database.query("UPDATE principal SET roles = '{admin}', disabled = false WHERE name = 'sam'")
  await ground.database.query("UPDATE token SET revoked_at = NULL WHERE principal = 'sam'")
  await ground.database.query("UPDATE principal SET roles = '{}' WHERE name = 'lee'")
  expect(await ground.app.updatePerson(ground.sam, 'sam', { roles: [] })).toMatchObject({
    refusal: 'last_administrator',
  })
  expect(await ground.app.updatePerson(ground.sam, 'sam', { disabled: true })).toMatchObject({
    refusal: 'last_administrator',
  })
})

test('a new password ends the other sign-ins of that person, and the old password', async () => {
  await ground.caller('pat')
  const here = await ground.caller('pat')
  const there = await ground.caller('pat')
  const change = { password: 'another long pass phrase', currentPassword: PASSWORD }
  accepted(await ground.app.updatePerson(here, 'pat', change))
  expect(await ground.open.store.people.isLive(here.token)).toBe(true)
  expect(await ground.open.store.people.isLive(there.token)).toBe(false)
  expect(await ground.app.signIn({ name: 'pat', password: PASSWORD, ...from('192.0.2.3') })).toMatchObject({
    refusal: 'wrong_credentials',
  })
  accepted(await ground.app.signIn({ name: 'pat', password: 'another long pass phrase', ...from('192.0.2.3') }))
})

test("one's own password is changed by who knows it: an open session, or a stolen token, is not enough", async () => {
  const now = 'the password that is new'
  // An administrator too, and whatever else is changed with it.
  for (const roles of [[], ['admin' as const]]) {
    const name = `own-${roles.length}`
    const { people } = ground.open.store
    const caller = await ground.caller(name, { roles })
    for (const more of [{}, { displayName: 'Own' }, ...(roles.length > 0 ? [{ roles }, { disabled: false }] : [])])
      expect(await ground.app.updatePerson(caller, name, { password: now, ...more })).toMatchObject({
        refusal: 'invalid_input',
        detail: expect.stringMatching(/currentPassword/),
      })
    for (const currentPassword of ['', 'not the right one', now, `${PASSWORD} `])
      expect(await ground.app.updatePerson(caller, name, { password: now, currentPassword })).toMatchObject({
        refusal: 'wrong_credentials',
      })
    const before = await people.passwordHash(caller.principal.id)
    accepted(await ground.app.signIn({ name, password: PASSWORD, ...from('192.0.2.30') }))
    accepted(await ground.app.updatePerson(caller, name, { displayName: 'No password is needed' }))
    expect(await people.passwordHash(caller.principal.id)).toBe(before)
    accepted(await ground.app.updatePerson(caller, name, { password: now, currentPassword: PASSWORD }))
    accepted(await ground.app.signIn({ name, password: now, ...from('192.0.2.30') }))
    await ground.database.query(`UPDATE principal SET roles = '{}' WHERE name = '${name}'`)
  }
})

test('guessing the current password is throttled as signing in is, and counts with it', async () => {
  const kim = { ...(await ground.caller('kim')), sourceAddress: '198.51.100.200' }
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, n) =>
      n % 2 === 0
        ? ground.app.updatePerson(kim, 'kim', { password: 'what a thief would set', currentPassword: `guess ${n}` })
        : ground.app.signIn({ name: 'kim', password: `guess ${n}`, ...from(`198.51.101.${n}`) }),
    ),
  )
  const looked = answers.filter((one) => !one.ok && one.refusal === 'wrong_credentials').length
  expect(looked).toBeGreaterThan(0)
  expect(looked).toBeLessThanOrEqual(12)
  const right = { password: 'what kim would set', currentPassword: PASSWORD }
  expect(await ground.app.updatePerson(kim, 'kim', right)).toMatchObject({ refusal: 'too_many_attempts' })
})

test('of two who change one password at once, knowing the same one, one does', async () => {
  const two = await ground.caller('two')
  const both = await Promise.all(
    ['one of the two', 'other of the two'].map((password) =>
      ground.app.updatePerson(two, 'two', { password, currentPassword: PASSWORD }),
    ),
  )
  expect(both.map((one) => (one.ok ? 'ok' : one.refusal)).toSorted()).toEqual(['ok', 'wrong_credentials'])
})

test('a password that an administrator sets ends all that the person had, and the entry says who set it', async () => {
  const ivy = await ground.caller('ivy')
  const { people, recorded } = ground.open.store
  const given = await Promise.all([
    ground.app.issueToken(ivy, { kind: 'api' }),
    ground.app.issueToken(ivy, { kind: 'gateway' }),
  ])
  const had = [ivy.token, ...given.map((one) => accepted(one).id)]
  accepted(await ground.app.updatePerson(ground.sam, 'ivy', { password: 'what sam chose for ivy' }))
  for (const token of had) expect(await people.isLive(token)).toBe(false)
  const entry = (await recorded.after(undefined, 500, { subject: 'account/ivy' })).at(-1)
  expect(entry).toMatchObject({ kind: 'account.changed', actor: 'sam', body: { password: 'set by sam' } })
  expect(new Set([entry?.body['tokensEnded']].flat())).toEqual(new Set(had))
  // What one changes oneself ends sign-ins; machines of one's own go on.
  const again = accepted(
    await ground.app.signIn({ name: 'ivy', password: 'what sam chose for ivy', ...from('192.0.2.31') }),
  )
  const caller = await ground.app.authenticate(again.text, ADDRESS)
  if (caller === undefined) throw new Error('the token is not live')
  const kept = accepted(await ground.app.issueToken(caller, { kind: 'api' }))
  const own = { password: 'what ivy chose herself', currentPassword: 'what sam chose for ivy' }
  accepted(await ground.app.updatePerson(caller, 'ivy', own))
  expect(await people.isLive(kept.id)).toBe(true)
  expect((await recorded.after(undefined, 500, { subject: 'account/ivy' })).at(-1)).toMatchObject({
    actor: 'ivy',
    body: { password: 'changed' },
  })
  const whole = JSON.stringify(await recorded.after(undefined, 500, { subject: 'account/ivy' }))
  expect(whole).not.toMatch(/chose/)
})

test('every change of an account is recorded under its name, without any secret', async () => {
  await ground.caller('rec')
  accepted(
    await ground.app.updatePerson(ground.sam, 'rec', { roles: ['auditor'], password: 'yet another pass phrase' }),
  )
  accepted(await ground.app.updatePerson(ground.sam, 'rec', { roles: ['auditor'] }))
  const entries = await ground.open.store.recorded.after(undefined, 500, { subject: 'account/rec' })
  expect(entries.map(({ kind, actor, body }) => ({ kind, actor, body }))).toEqual([
    { kind: 'account.created', actor: 'sam', body: { displayName: 'rec', kind: 'user', roles: [] } },
    {
      kind: 'account.changed',
      actor: 'sam',
      body: {
        before: { roles: [] },
        after: { roles: ['auditor'] },
        password: 'set by sam',
        tokensEnded: [expect.any(String)],
      },
    },
  ])
  const [all] = await ground.database.query<{ text: string }>(
    "SELECT string_agg(convert_from(body, 'UTF8'), ' ') AS text FROM record",
  )
  expect(all?.text).not.toMatch(/hp_|argon2|pass phrase/)
})

test('the SCRAM keys are those of RFC 5802 for the token, and one salt serves all tokens of a person', async () => {
  const mia = await ground.caller('scram')
  const tokens = [
    accepted(await ground.app.issueToken(mia, { kind: 'gateway' })),
    accepted(await ground.app.issueToken(mia, { kind: 'gateway' })),
  ]
  const found = await gatewayVerifiers(ground.open.store, 'scram')
  expect(found.principal?.id).toBe('scram')
  expect(found.iterations).toBe(4096)
  for (const token of tokens) {
    const salted = pbkdf2Sync(token.text, found.salt, found.iterations, 32, 'sha256')
    const stored = createHash('sha256').update(createHmac('sha256', salted).update('Client Key').digest()).digest()
    const server = createHmac('sha256', salted).update('Server Key').digest()
    expect(found.keys).toContainEqual({ token: token.id, storedKey: stored, serverKey: server })
  }
  expect(found.keys.length).toBe(2)
  accepted(await ground.app.revokeToken(mia, tokens[0]?.id ?? ''))
  expect((await gatewayVerifiers(ground.open.store, 'scram')).keys.map((key) => key.token)).toEqual([tokens[1]?.id])
  accepted(await ground.app.updatePerson(ground.sam, 'scram', { disabled: true }))
  const disabled = await gatewayVerifiers(ground.open.store, 'scram')
  expect(disabled).toMatchObject({ principal: { id: 'scram', disabled: true } })
  expect({ ...disabled, principal: undefined }).toEqual({ salt: found.salt, iterations: 4096, keys: [] })
})

test('names that nobody has are shown a salt of their own, always the same', async () => {
  const first = await gatewayVerifiers(ground.open.store, 'no-such-name')
  expect(first).toEqual({ salt: expect.any(Buffer), iterations: 4096, keys: [] })
  expect(first.salt.length).toBe(16)
  expect((await gatewayVerifiers(ground.open.store, 'no-such-name')).salt).toEqual(first.salt)
  expect((await gatewayVerifiers(ground.open.store, 'other\u0000name')).salt).not.toEqual(first.salt)
})

test.each([
  'short',
  'password1234',
  'Password1234!',
  '123456789012',
  'abcdefghijkl',
  '098765432109',
  'aaaaaaaaaaaa',
  'abababababab',
  'administrator1',
  'anaanaanaana',
  'x'.repeat(2000),
])('weak password %#', (password) => expect(isWeak(password, 'ana')).toBe(true))
test.each([PASSWORD, 'Tr0ub4dor&3-and-more', 'žluťoučký kůň úpěl'])('the password %j will do', (password) =>
  expect(isWeak(password, 'ana')).toBe(false),
)

test('what cannot be recorded does not happen: a full disk changes nothing', async () => {
  const ana = await ground.caller('ana')
  const before = accepted(await ground.app.listTokens(ana)).map((one) => one.id)
  await ground.database.query(`CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER disk_is_full BEFORE INSERT ON record FOR EACH ROW EXECUTE FUNCTION disk_is_full()`)
  try {
    await expect(ground.app.createPerson(ground.sam, { name: 'unrecorded', kind: 'user', roles: [] })).rejects.toThrow(
      /No space/,
    )
    await expect(ground.app.updatePerson(ground.sam, 'ana', { roles: ['admin'] })).rejects.toThrow(/No space/)
    await expect(ground.app.issueToken(ana, { kind: 'gateway' })).rejects.toThrow(/No space/)
    await expect(ground.app.setSecret(ground.sam, 'unrecorded', 'value')).rejects.toThrow(/No space/)
    await expect(ground.app.signIn({ name: 'ana', password: PASSWORD, ...from('192.0.2.8') })).rejects.toThrow(
      /No space/,
    )
  } finally {
    await ground.database.query('DROP FUNCTION disk_is_full CASCADE')
  }
  const people = accepted(await ground.app.listPeople(ground.sam))
  expect(people.map((one) => one.id)).not.toContain('unrecorded')
  expect(people.find((one) => one.id === 'ana')?.roles).toEqual([])
  expect(accepted(await ground.app.listTokens(ana)).map((one) => one.id)).toEqual(before)
  expect(accepted(await ground.app.listSecrets(ground.sam))).toEqual([])
})

test('when the store is gone nobody is signed in, and nothing is changed', async () => {
  const broken = await openStore(ground.database.url, () => undefined)
  const app = createPeopleUseCases({ store: broken.store, policy: () => undefined })
  const text = accepted(await app.issueToken(ground.sam, { kind: 'api' })).text
  await broken.close()
  await expect(app.authenticate(text, ADDRESS)).rejects.toThrow()
  await expect(app.signIn({ name: 'sam', password: PASSWORD, ...from('192.0.2.9') })).rejects.toThrow()
  await expect(app.issueToken(ground.sam, { kind: 'api' })).rejects.toThrow()
  await expect(gatewayVerifiers(broken.store, 'sam')).rejects.toThrow()
})
