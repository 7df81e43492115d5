import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { callerNamed, fakeApp } from '../../test/support/fake-app.ts'
import { problemOf, startHttp } from '../../test/support/http.ts'
import type { App } from '../app/app.ts'
import type { RecordedEntry } from '../app/ports/store.ts'
import { createClient } from '../contract/client.ts'
import { createEventParser } from '../contract/event-stream.ts'
import { instant } from '../domain/time.ts'

const entry = (n: number): RecordedEntry => ({
  cursor: `c${n}`,
  at: instant(n),
  kind: 'request.opened',
  subject: `request/HP-${n}`,
  body: { note: 'line one\nline two\r\nid: forged' },
})

/** Entries 1 to `count`, then silence until the reader goes. */
const entriesUpTo = (
  count: number,
  seen: { given: number; ended: boolean } = { given: 0, ended: false },
): App['followEntries'] =>
  async function* (_, { after }, signal) {
    try {
      for (let n = Number(after?.slice(1) ?? 0) + 1; n <= count && !signal.aborted; n++) {
        seen.given = n
        yield entry(n)
      }
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        signal.addEventListener('abort', () => resolve())
      })
    } finally {
      seen.ended = true
    }
  }

async function readUntil(response: Response, enough: (text: string) => boolean): Promise<string> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  if (reader === undefined) return '[none]'
  while (!enough(text)) {
    const { done, value } = await reader.read()
    if (done) return `${text}[end]`
    text += decoder.decode(value, { stream: true })
  }
  await reader.cancel()
  return text
}

describe('GET /v1/events', () => {
  it('sends each entry as one event, whatever people wrote into it', async () => {
    const { app } = fakeApp({ followEntries: entriesUpTo(3) })
    await using http = await startHttp(app)
    const response = await http.send('GET', '/v1/events', { token: 'token-mia' })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const events = createEventParser()(
      await readUntil(response, (text) => text.includes('c3') && text.endsWith('\n\n')),
    )
    expect(events.map(({ id, event }) => [id, event])).toEqual([1, 2, 3].map((n) => [`c${n}`, 'request.opened']))
    expect(JSON.parse(events[0]?.data ?? '')).toMatchObject({ subject: 'request/HP-1', body: entry(1).body })
  })

  it('begins before the client has its answer, and says where: what the client does next is in the stream', async () => {
    let recorded = 0
    const { app } = fakeApp({
      settledCursor: async () => ({ ok: true, value: `c${recorded}` }),
      async *followEntries(_, { after }) {
        await vi.waitFor(() => expect(recorded).toBe(1))
        yield* after === 'c0' ? [entry(1)] : []
      },
    })
    await using http = await startHttp(app)
    const response = await http.send('GET', '/v1/events', { token: 'token-mia' })
    recorded = 1
    const moved: string[] = []
    const parse = createEventParser((id) => moved.push(id))
    const events = parse(await readUntil(response, (text) => text.includes('c1') && text.endsWith('\n\n')))
    expect(moved).toEqual(['c0'])
    expect(events.map(({ id }) => id)).toEqual(['c1'])
  })

  it('goes on behind Last-Event-ID, which wins over the query', async () => {
    const { app } = fakeApp({ followEntries: entriesUpTo(5) })
    await using http = await startHttp(app)
    const response = await http.send('GET', '/v1/events?after=c1', {
      token: 'token-mia',
      headers: { 'last-event-id': 'c3' },
    })
    const events = createEventParser()(
      await readUntil(response, (text) => text.includes('c5') && text.endsWith('\n\n')),
    )
    expect(events.map(({ id }) => id)).toEqual(['c4', 'c5'])
  })

  it('refuses a forged cursor while there is a status to say so', async () => {
    const { app } = fakeApp({ listEntries: async () => ({ ok: false, refusal: 'invalid_input' }) })
    await using http = await startHttp(app)
    await problemOf(await http.send('GET', '/v1/events?after=forged', { token: 'token-mia' }), 400, 'invalid_input')
    await problemOf(
      await http.send('GET', '/v1/events', { token: 'token-mia', headers: { 'last-event-id': 'x'.repeat(600) } }),
      400,
      'invalid_input',
    )
  })

  it('shows that it lives', async () => {
    const { app } = fakeApp({ followEntries: entriesUpTo(0) })
    await using http = await startHttp(app, { beatMs: 10 })
    const text = await readUntil(await http.send('GET', '/v1/events', { token: 'token-mia' }), (soFar) =>
      soFar.includes(': beat\n\n: beat'),
    )
    expect(text).toContain('retry: ')
  })

  it.each([
    ['its token is revoked', undefined],
    ['its account has other roles', callerNamed('mia', ['all'], ['auditor'])],
    ['its token has other scopes', callerNamed('mia', ['read'])],
  ])('ends when %s', async (_, later) => {
    let now: ReturnType<typeof callerNamed> | undefined = callerNamed('mia')
    const { app } = fakeApp({ followEntries: entriesUpTo(1), authenticate: async () => now })
    await using http = await startHttp(app, { beatMs: 10 })
    const response = await http.send('GET', '/v1/events', { token: 'token-mia' })
    now = later
    expect(await readUntil(response, () => false)).toMatch(/\[end\]$/)
  })

  it('ends when nobody can say whether the token is good', async () => {
    let asked = 0
    const { app } = fakeApp({
      followEntries: entriesUpTo(1),
      authenticate: async () => (asked++ === 0 ? callerNamed('mia') : Promise.reject(new Error('no store'))),
    })
    await using http = await startHttp(app, { beatMs: 10 })
    expect(await readUntil(await http.send('GET', '/v1/events', { token: 't' }), () => false)).toMatch(/\[end\]$/)
  })

  it('ends when the record cannot be read on', async () => {
    const { app } = fakeApp({
      async *followEntries() {
        yield entry(1)
        throw new Error('no store')
      },
    })
    await using http = await startHttp(app)
    expect(await readUntil(await http.send('GET', '/v1/events', { token: 'token-mia' }), () => false)).toMatch(
      /c1[^]*\[end\]$/,
    )
  })

  it('ends with the server, at once', async () => {
    const seen = { given: 0, ended: false }
    const { app } = fakeApp({ followEntries: entriesUpTo(1, seen) })
    const http = await startHttp(app)
    const response = await http.send('GET', '/v1/events', { token: 'token-mia' })
    const text = readUntil(response, () => false)
    await http[Symbol.asyncDispose]()
    expect(await text).toMatch(/\[end\]$/)
    expect(seen.ended).toBe(true)
  })

  it('stops following when the client leaves', async () => {
    const seen = { given: 0, ended: false }
    const { app } = fakeApp({ followEntries: entriesUpTo(1, seen) })
    await using http = await startHttp(app)
    const leaving = new AbortController()
    await http.send('GET', '/v1/events', { token: 'token-mia', signal: leaving.signal })
    leaving.abort()
    await vi.waitFor(() => expect(seen.ended).toBe(true))
  })

  it('reads no further ahead than a slow client does, and cuts one that never reads', async () => {
    const seen = { given: 0, ended: false }
    const { app } = fakeApp({ followEntries: entriesUpTo(10_000_000, seen) })
    await using http = await startHttp(app, { beatMs: 20 })
    // Never reads: what the sockets buffer is all that may be given.
    const socket = connect(http.port, '127.0.0.1').pause()
    const cut = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token-mia\r\n\r\n')
    await vi.waitFor(() => expect(seen.ended).toBe(true), { timeout: 10_000 })
    expect(seen.given).toBeLessThan(200_000)
    socket.resume()
    await cut
  })

  it('is bounded for one person, and gives the place back', async () => {
    const { app } = fakeApp({ followEntries: entriesUpTo(1) })
    await using http = await startHttp(app, { beatMs: 200 })
    const open = await Promise.all(
      Array.from({ length: 16 }, () => http.send('GET', '/v1/events', { token: 'token-mia' })),
    )
    await problemOf(await http.send('GET', '/v1/events', { token: 'token-mia' }), 429, 'too_many_streams')
    expect((await http.send('GET', '/v1/events', { token: 'token-ana' })).status).toBe(200)
    await Promise.all(open.map(async (response) => response.body?.cancel()))
    await vi.waitFor(async () =>
      expect((await http.send('GET', '/v1/events', { token: 'token-mia' })).status).toBe(200),
    )
  })

  it('answers HEAD with 405: it would open a stream that nobody reads', async () => {
    const { app } = fakeApp({ followEntries: entriesUpTo(1) })
    await using http = await startHttp(app)
    expect((await http.send('HEAD', '/v1/events', { token: 'token-mia' })).status).toBe(405)
  })
})

it('the client follows the events and stops when it is told to', async () => {
  const { app } = fakeApp({ followEntries: entriesUpTo(3) })
  await using http = await startHttp(app)
  const stop = new AbortController()
  const seen: string[] = []
  const opened: string[] = []
  for await (const { cursor } of createClient({ url: http.url, token: () => 'token-mia' }).events(
    { after: 'c1' },
    stop.signal,
    (at) => opened.push(at),
  )) {
    seen.push(cursor)
    if (seen.length === 2) stop.abort()
  }
  expect(seen).toEqual(['c2', 'c3'])
  expect(opened).toEqual(['c1'])
})
