import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiProblem, Client } from '../src/contract/client.ts'
import { createClient } from '../src/contract/client.ts'
import { problemOf } from './support/http.ts'
import type { HttpWorld, Name } from './support/http-world.ts'
import { httpWorld } from './support/http-world.ts'

/* The whole API over the real application and store, through the typed client: every answer fits the contract. */

let world: HttpWorld
beforeAll(async () => {
  world = await httpWorld()
})
afterAll(() => world.close())

const as = (name: Name): Client => createClient({ url: world.http.url, token: () => world.token[name] })
const window = { resource: 'shop-db', verbs: ['write' as const], for: '10m' }
const code = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error: ApiProblem) => error.problem?.code ?? String(error),
  )

describe('idempotency', () => {
  const body = { ...window, reason: 'once' }

  it('fifty calls at once with one key make one request', async () => {
    const before = (await as('olu').call('listRequests', { query: { limit: '200' } })).items.length
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        world.http.send('POST', '/v1/requests', {
          token: world.token.ana,
          body,
          headers: { 'idempotency-key': 'k-50' },
        }),
      ),
    )
    const made = await Promise.all(
      answers.map(async (answer) => [answer.status, ((await answer.json()) as { id: string }).id] as const),
    )
    expect(new Set(made.map(String)).size).toBe(1)
    expect(made[0]?.[0]).toBe(201)
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === null)).toHaveLength(1)
    expect((await as('olu').call('listRequests', { query: { limit: '200' } })).items.length).toBe(before + 1)
  })

  it('refuses the key with another body, operation or path, and keeps the keys of two people apart', async () => {
    const ana = as('ana')
    const key = { idempotencyKey: 'k-1' }
    const first = await ana.call('requestWindow', { body }, key)
    expect((await ana.call('requestWindow', { body }, key)).id).toBe(first.id)
    expect(await code(ana.call('requestWindow', { body: { ...body, for: '20m' } }, key))).toBe('key_reused')
    expect(await code(ana.call('withdrawRequest', { params: { id: first.id } }, key))).toBe('key_reused')
    expect((await as('nora').call('requestWindow', { body }, key)).id).not.toBe(first.id)
    await ana.call('withdrawRequest', { params: { id: first.id } }, { idempotencyKey: 'k-2' })
    expect(await code(ana.call('withdrawRequest', { params: { id: 'HP-1' } }, { idempotencyKey: 'k-2' }))).toBe(
      'key_reused',
    )
  })

  it('remembers no refusal: what was refused may be tried again', async () => {
    const key = { idempotencyKey: 'k-3' }
    expect(await code(as('ana').call('requestWindow', { body: { ...body, resource: 'none' } }, key))).toBe('not_found')
    expect(await code(as('ana').call('requestWindow', { body: { ...body, resource: 'none' } }, key))).toBe('not_found')
    expect(await code(as('ana').call('requestWindow', { body }, key))).toBe('ok')
  })

  it.each(['', ' ', 'a b', 'x'.repeat(256), 'ключ'])('refuses the key %j', async (key) => {
    const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') }
    const answer = await world.http.send('POST', '/v1/requests', { token: world.token.ana, body, headers })
    await problemOf(answer, 400, 'invalid_input')
  })
})

describe('cursors', () => {
  it('go through a list once, each thing once', async () => {
    for (let i = 0; i < 5; i++) await as('ana').call('requestWindow', { body: window })
    const all = (await as('ana').call('listRequests', { query: { limit: '200' } })).items.map(({ id }) => id)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await as('ana').call('listRequests', {
        query: { limit: '2', ...(cursor === undefined ? {} : { cursor }) },
      })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.next
    } while (cursor !== undefined)
    expect(seen).toEqual(all)
  })

  it("are refused when they are forged, another list's, another query's or another person's", async () => {
    const { next = '' } = await as('ana').call('listRequests', { query: { limit: '1' } })
    expect(next).not.toBe('')
    const flipped = `${next.slice(0, -2)}${next.at(-2) === 'A' ? 'B' : 'A'}${next.at(-1) ?? ''}`
    const list = (who: Name, query: Record<string, string>) => code(as(who).call('listRequests', { query }))
    expect(await list('ana', { limit: '1', cursor: next })).toBe('ok')
    for (const cursor of [flipped, `${next}A`, `0${next}`, '1', 'MQ==', '../..', '0'.repeat(512), '😀'])
      expect(await list('ana', { cursor })).toBe('invalid_input')
    expect(await list('ana', { cursor: next, state: 'pending' })).toBe('invalid_input')
    expect(await list('olu', { cursor: next })).toBe('invalid_input')
    expect(await code(as('ana').call('listSessions', { query: { cursor: next } }))).toBe('invalid_input')
    expect(await code(as('ana').call('listRevisions', { query: { cursor: next } }))).toBe('invalid_input')
    expect(await code(as('ana').call('listRecord', { query: { cursor: next } }))).toBe('invalid_input')
  })

  it('of the record and of its events are refused when they are altered, or of another person or query', async () => {
    for (let i = 0; i < 3; i++) await as('ana').call('requestWindow', { body: window })
    const { items, next = '' } = await as('ana').call('listRecord', { query: { limit: '2' } })
    const first = items[0]?.cursor ?? ''
    const started = await world.http.send('GET', '/v1/events', { token: world.token.ana })
    const reader = started.body?.getReader()
    const opening = Buffer.from((await reader?.read())?.value ?? []).toString()
    await reader?.cancel()
    const begins = /^id: (\S+)$/m.exec(opening)?.[1] ?? ''

    const read = async (who: Name, cursor: string, more = ''): Promise<number> => {
      const path = `/v1/record?cursor=${encodeURIComponent(cursor)}${more}`
      return (await world.http.send('GET', path, { token: world.token[who] })).status
    }
    const follow = async (who: Name, cursor: string, by: 'header' | 'query', more = ''): Promise<number> => {
      const path = `/v1/events?${by === 'query' ? `after=${encodeURIComponent(cursor)}` : ''}${more}`
      const headers = by === 'header' ? { 'last-event-id': cursor } : {}
      const answer = await world.http.send('GET', path, { token: world.token[who], headers })
      if (answer.status === 400) await problemOf(answer, 400, 'invalid_input')
      else await answer.body?.cancel()
      return answer.status
    }
    // A page, an entry and the beginning of a stream are places in the same list.
    for (const cursor of [next, first, begins]) {
      expect(await read('ana', cursor)).toBe(200)
      expect(await follow('ana', cursor, 'header')).toBe(200)
      expect(await follow('ana', cursor, 'query')).toBe(200)
    }
    // Any one character: a little further, a little back, or a signature that does not fit.
    const other = (text: string, at: number): string =>
      `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}`
    const forged = [
      ...Array.from(next, (_, at) => other(next, at)),
      `${next}0`,
      next.slice(0, -1),
      next.split('.')[0] ?? '',
      next.toUpperCase(),
      '0'.repeat(30),
    ]
    for (const cursor of forged) expect([cursor, await read('ana', cursor)]).toEqual([cursor, 400])
    for (const cursor of forged.filter((_, n) => n % 9 === 0 || n > next.length - 2)) {
      expect([cursor, await follow('ana', cursor, 'header')]).toEqual([cursor, 400])
      expect([cursor, await follow('ana', cursor, 'query')]).toEqual([cursor, 400])
    }
    for (const cursor of [next, first, begins]) {
      for (const who of ['olu', 'sam', 'mia'] as const) {
        expect(await read(who, cursor)).toBe(400)
        expect(await follow(who, cursor, 'header')).toBe(400)
        expect(await follow(who, cursor, 'query')).toBe(400)
      }
      expect(await read('ana', cursor, '&resource=shop-db')).toBe(400)
      expect(await read('ana', cursor, '&subject=account/ana')).toBe(400)
      expect(await follow('ana', cursor, 'header', '&resource=shop-db')).toBe(400)
    }
  })
})

describe('a refusal says once, and wholly, what is so', () => {
  const said = async (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'ok',
      ({ problem }: ApiProblem) => `${problem.code}: ${problem.detail ?? ''}`,
    )

  it('what is decided already names how, and by whom', async () => {
    const ana = as('ana')
    const ask = () => ana.call('requestWindow', { body: window })
    const withdraw = (id: string) => said(ana.call('withdrawRequest', { params: { id } }))
    const answer = async (who: Name, { id }: { id: string }, verdict: 'approve' | 'deny'): Promise<string> => {
      const { digest } = await as(who).call('getRequest', { params: { id } })
      return said(as(who).call('review', { params: { id }, body: { verdict, digest, words: 'Not on a Friday.' } }))
    }
    const back = await ask()
    expect(await withdraw(back.id)).toBe('ok')
    expect(await withdraw(back.id)).toBe(`not_pending: ${back.id} was withdrawn by ana`)
    expect(await answer('mia', back, 'approve')).toBe(`not_pending: ${back.id} was withdrawn by ana`)
    const denied = await ask()
    expect(await answer('mia', denied, 'deny')).toBe('ok')
    expect(await withdraw(denied.id)).toBe(`not_pending: ${denied.id} was denied by mia`)
    const agreed = await ask()
    for (const who of ['mia', 'dev'] as const) expect(await answer(who, agreed, 'approve')).toBe('ok')
    expect(await withdraw(agreed.id)).toBe(`not_pending: ${agreed.id} was approved by mia and dev`)
  })

  it('what is not there is named, and not denied twice', async () => {
    const sam = as('sam')
    expect(await said(as('ana').call('requestWindow', { body: { ...window, resource: 'nope' } }))).toBe(
      'not_found: resource nope',
    )
    expect(await said(sam.call('getResource', { params: { name: 'nope' } }))).toBe('not_found: resource nope')
    expect(await said(sam.call('explain', { body: { as: 'ana', on: 'nope', verb: 'read' } }))).toBe(
      'not_found: resource nope',
    )
    expect(await said(sam.call('explain', { body: { as: 'nobody', on: 'shop-db', verb: 'read' } }))).toBe(
      'not_found: account nobody',
    )
    expect(await said(sam.call('issueToken', { body: { kind: 'api', for: 'nobody' } }))).toBe(
      'not_found: an enabled account nobody',
    )
  })
})

it('a request that one may not see answers byte for byte like one that is not there', async () => {
  const hidden = await as('nora').call('requestWindow', { body: { ...window, resource: 'other-db' } })
  for (const [method, tail, body] of [
    ['GET', '', undefined],
    ['GET', '/explain', undefined],
    ['POST', '/withdraw', {}],
    ['POST', '/done', {}],
    ['POST', '/revoke', {}],
    ['POST', '/retry', {}],
    ['POST', '/extend', { for: '5m' }],
    ['POST', '/reviews', { verdict: 'approve', digest: hidden.digest }],
  ] as const) {
    const answers = await Promise.all(
      [hidden.id, 'HP-999999'].map((id) =>
        world.http.send(method, `/v1/requests/${id}${tail}`, { token: world.token.ana, body }),
      ),
    )
    const [seen, absent] = await Promise.all(answers.map((answer) => problemOf(answer, 404, 'not_found')))
    expect({ ...seen, instance: '' }).toEqual({ ...absent, instance: '' })
  }
})

it('a time that is longer than policy gives is cut to what policy gives', async () => {
  const asked = await as('ana').call('requestWindow', { body: { ...window, for: '300d' } })
  expect(asked.subject).toMatchObject({ kind: 'window', length: '1h' })
  expect(asked.grantAtMost).toBe('1h')
})

it('a reviewer may shorten the time, and sees what they were shown before they answer', async () => {
  const asked = await as('ana').call('requestWindow', { body: window })
  const dev = as('dev')
  const answer = (body: { digest?: string; atMost?: string; verdict?: 'approve' | 'deny'; words?: string }) =>
    dev.call('review', { params: { id: asked.id }, body: { verdict: 'approve', digest: asked.digest, ...body } })
  expect(await code(answer({ digest: 'f'.repeat(64) }))).toBe('changed')
  expect(await code(answer({ atMost: '2h' }))).toBe('not_shorter')
  expect(await code(answer({ verdict: 'deny' }))).toBe('words_required')
  expect((await answer({ atMost: '5m' })).state).toBe('pending')
  expect(await code(answer({}))).toBe('already_reviewed')
  const approved = await as('mia').call('review', {
    params: { id: asked.id },
    body: { verdict: 'approve', digest: asked.digest },
  })
  expect(approved).toMatchObject({ state: 'approved', grant: { state: 'active', scope: 'window' } })
  const grant = approved.grant ?? { startsAt: '', expiresAt: '' }
  expect(Date.parse(grant.expiresAt) - Date.parse(grant.startsAt)).toBe(300_000)
})

it('documents with errors change nothing, and the problem names file, line and column of each', async () => {
  const files = [{ path: 'bad.yaml', text: 'kind: Team\nname: x\nmembers: [ana]\nname: y\n' }]
  const before = (await as('sam').call('exportDocuments', {})).revision
  const answer = await world.http.send('POST', '/v1/documents/apply', { token: world.token.sam, body: { files } })
  const problem = await problemOf(answer, 422, 'documents_invalid')
  expect(problem.findings?.[0]).toMatchObject({
    severity: 'error',
    path: 'bad.yaml',
    line: expect.any(Number),
    column: expect.any(Number),
  })
  expect((await as('sam').call('exportDocuments', {})).revision).toBe(before)
})

it('every reading operation answers as the contract says', async () => {
  const olu = as('olu')
  // Nora has no window there, so that her statement is held.
  const { request, session } = await world.session('nora', 'shop-db')
  await olu.call('getInfo', {})
  await olu.call('getMe', {})
  expect((await olu.call('listPeople', {})).items.map(({ name }) => name)).toContain('ana')
  await olu.call('listTokens', {})
  await as('sam').call('listSecrets', {})
  expect((await olu.call('exportDocuments', {})).documents.length).toBeGreaterThan(0)
  await olu.call('diffDocuments', { body: { files: [] } })
  await olu.call('checkDocuments', { body: {} })
  await olu.call('testDocuments', { body: {} })
  expect((await olu.call('listRevisions', {})).items.length).toBeGreaterThan(0)
  expect((await olu.call('explain', { body: { as: 'ana', on: 'shop-db', sql: 'DELETE FROM carts' } })).decision).toBe(
    'hold',
  )
  const batch = await olu.call('explainBatch', {
    body: {
      items: [
        { as: 'ana', on: 'shop-db' },
        { as: 'nobody', on: 'shop-db' },
      ],
    },
  })
  expect(batch.items.map(({ ok }) => ok)).toEqual([true, false])
  expect((await olu.call('listResources', {})).items.map(({ name }) => name).sort()).toEqual(['other-db', 'shop-db'])
  await olu.call('listTeams', {})
  expect((await olu.call('getRequest', { params: { id: request } })).subject).toMatchObject({
    kind: 'statement',
    text: 'DELETE FROM carts',
  })
  expect((await as('mia').call('getInbox', {})).needsMe.map(({ id }) => id)).toContain(request)
  expect((await olu.call('explainRequest', { params: { id: request } })).rules).toContain('shop-writes')
  expect((await olu.call('listSessions', { query: { open: 'true' } })).items.map(({ id }) => id)).toContain(session)
  await expect
    .poll(async () => (await olu.call('listStatements', { params: { id: session } })).items.length, { timeout: 10_000 })
    .toBe(1)
  expect((await olu.call('listRecord', { query: { limit: '5' } })).items).toHaveLength(5)
})

it('events come as they are recorded, and a client that comes back misses none', async () => {
  const stop = new AbortController()
  const olu = as('olu')
  const { next: from = '' } = await newest()
  const asked = await as('ana').call('requestWindow', { body: window })
  const seen: { cursor: string; subject: string }[] = []
  for await (const entry of olu.events({ after: from }, stop.signal)) {
    seen.push(entry)
    if (entry.subject === `request/${asked.id}`) break
  }
  const { id } = await as('ana').call('withdrawRequest', { params: { id: asked.id } })
  for await (const entry of olu.events({ after: seen.at(-1)?.cursor ?? '' }, stop.signal)) {
    expect(seen.map(({ cursor }) => cursor)).not.toContain(entry.cursor)
    if (entry.kind === 'request.withdrawn' && entry.subject === `request/${id}`) break
  }
  stop.abort()

  async function newest(): Promise<{ next?: string | undefined }> {
    let page = await olu.call('listRecord', { query: { limit: '200' } })
    while (page.items.length > 0 && page.next !== undefined)
      page = await olu.call('listRecord', { query: { limit: '200', cursor: page.next } })
    return page
  }
})

it('setup is over, and a wrong password says nothing about the name', async () => {
  const nobody = createClient({ url: world.http.url })
  expect((await nobody.call('getInfo', {})).setupNeeded).toBe(false)
  expect(
    await code(nobody.call('setup', { body: { code: 'x', name: 'eve', password: 'a long enough pass phrase' } })),
  ).toBe('setup_done')
  expect(await code(nobody.call('signIn', { body: { name: 'ana', password: 'wrong' } }))).toBe('wrong_credentials')
  expect(await code(nobody.call('signIn', { body: { name: 'nobody', password: 'wrong' } }))).toBe('wrong_credentials')
})

it('signing out ends the token at once', async () => {
  const { text } = await createClient({ url: world.http.url }).call('signIn', {
    body: { name: 'nora', password: 'a long enough pass phrase' },
  })
  const nora = createClient({ url: world.http.url, token: () => text })
  expect((await nora.call('getMe', {})).principal.name).toBe('nora')
  await nora.call('signOut', {})
  expect(await code(nora.call('getMe', {}))).toBe('not_signed_in')
})
