import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { callerNamed, fakeApp, pendingView } from '../../test/support/fake-app.ts'
import { startHttp } from '../../test/support/http.ts'
import { ApiProblem, createClient, Unreachable } from './client.ts'

async function serve(listener: RequestListener): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

it('calls an operation with its path, query and body, and types the answer', async () => {
  const asked: unknown[] = []
  const { app } = fakeApp({
    review: async (caller, id, input) => (
      asked.push([caller.principal.id, id, input]),
      { ok: true, value: pendingView() }
    ),
    listRequests: async (_, filter) => (
      asked.push(filter),
      { ok: true, value: { items: [pendingView()], next: 'more' } }
    ),
    signOut: async () => undefined,
  })
  await using http = await startHttp(app)
  const client = createClient({ url: http.url, token: () => 'token-mia' })
  const digest = 'a'.repeat(64)
  const reviewed = await client.call('review', {
    params: { id: 'hp-142' },
    body: { verdict: 'approve', digest, atMost: '5m' },
  })
  expect(reviewed.subject).toMatchObject({ kind: 'statement', text: 'DELETE FROM carts WHERE age_days > 90' })
  expect((await client.call('listRequests', { query: { state: 'pending', limit: '5' } })).next).toBe('more')
  expect(await client.call('signOut', {})).toBeUndefined()
  expect(asked).toEqual([
    ['mia', 'HP-142', { verdict: 'approve', digest, atMost: 300_000 }],
    { state: 'pending', limit: 5 },
  ])
})

it('throws the problem that the server answers with', async () => {
  const { app } = fakeApp({
    authenticate: async () => callerNamed('ana'),
    review: async () => ({ ok: false, refusal: 'self_review' }),
  })
  await using http = await startHttp(app)
  const client = createClient({ url: http.url, token: () => 'x' })
  const refused = client.call('review', {
    params: { id: 'HP-1' },
    body: { verdict: 'approve', digest: 'a'.repeat(64) },
  })
  await expect(refused).rejects.toBeInstanceOf(ApiProblem)
  await expect(refused).rejects.toMatchObject({ problem: { code: 'self_review', status: 403 } })
})

it('sends the token to no other origin, whatever the server redirects to', async () => {
  const stolen: (string | undefined)[] = []
  await using thief = await serve((request, response) => {
    stolen.push(request.headers.authorization)
    response.end('{}')
  })
  for (const status of [301, 302, 303, 307, 308]) {
    await using hostile = await serve((_, response) =>
      response.writeHead(status, { location: `${thief.url}/v1/me` }).end(),
    )
    const client = createClient({ url: hostile.url, token: () => 'secret' })
    await expect(client.call('getMe', {})).rejects.toBeInstanceOf(Unreachable)
    await expect(client.call('signOut', {})).rejects.toBeInstanceOf(Unreachable)
  }
  expect(stolen).toEqual([])
})

it('follows a few redirects of a reading call on its own origin, and none of a changing one', async () => {
  let posts = 0
  await using looping = await serve((request, response) => {
    if (request.method === 'POST') posts += 1
    response.writeHead(307, { location: '/v1/again' }).end()
  })
  const client = createClient({ url: looping.url, token: () => 'secret' })
  await expect(client.call('getMe', {})).rejects.toBeInstanceOf(Unreachable)
  await expect(client.call('signOut', {})).rejects.toBeInstanceOf(Unreachable)
  expect(posts).toBe(1)
})

it.each(['ftp://x', 'localhost:7400', 'http://ana:pw@localhost', 'http://localhost/api', 'javascript:alert(1)', ''])(
  'refuses the address %j',
  (url) => {
    expect(() => createClient({ url })).toThrow(TypeError)
  },
)

it.each([
  ['another server', 200, 'text/html', '<html>'],
  ['a broken answer', 200, 'application/json', '{"items":'],
  ['an answer of another shape', 200, 'application/json', '{"hello":1}'],
  ['a problem of another shape', 500, 'application/json', '{"message":"no"}'],
])('says plainly that it does not understand %s', async (_, status, type, text) => {
  await using other = await serve((_request, response) =>
    response.writeHead(status, { 'content-type': type }).end(text),
  )
  await expect(createClient({ url: other.url }).call('getMe', {})).rejects.toBeInstanceOf(Unreachable)
})

it('says that nobody answers, and stops when it is told to', async () => {
  await expect(createClient({ url: 'http://127.0.0.1:9' }).call('getInfo', {})).rejects.toBeInstanceOf(Unreachable)
  await using silent = await serve(() => undefined)
  const stop = new AbortController()
  const waiting = createClient({ url: silent.url }).call('getInfo', {}, { signal: stop.signal })
  stop.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
})
