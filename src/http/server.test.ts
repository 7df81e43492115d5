import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { fakeApp, pendingView } from '../../test/support/fake-app.ts'
import { problemOf, startHttp } from '../../test/support/http.ts'
import { routes } from '../contract/routes.ts'

const digest = 'a'.repeat(64)
const approval = { verdict: 'approve', digest }

describe('bodies', () => {
  it.each([
    ['{"verdict":"approve","digest":"x","__proto__":{"admin":true}}', 'invalid_json', 400],
    ['{"verdict":"approve","constructor":{"prototype":{}}}', 'invalid_json', 400],
    ['{"verdict":"deny","verdict":"approve"}', 'invalid_json', 400],
    ['['.repeat(100_000), 'invalid_json', 400],
    ['{"verdict":', 'invalid_json', 400],
    ['', 'invalid_input', 400],
    ['null', 'invalid_input', 400],
    ['[]', 'invalid_input', 400],
    ['"approve"', 'invalid_input', 400],
    [`{"verdict":"approve","digest":"${digest}","force":true}`, 'invalid_input', 400],
    [`{"verdict":"approve","digest":"${digest}","status":"approved"}`, 'read_only_field', 403],
    [`{"verdict":"approve","digest":"${digest}","reviewers":["ana"]}`, 'read_only_field', 403],
  ])('%.60s → %s', async (body, code, status) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    await problemOf(await http.send('POST', '/v1/requests/HP-142/reviews', { token: 'token-mia', body }), status, code)
    expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false)
  })

  it.each([
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/x-www-form-urlencoded' },
    { 'content-type': 'application/json; charset=utf-16' },
    { 'content-type': 'application/json', 'content-encoding': 'gzip' },
  ])('takes only JSON in UTF-8: %o → 415', async (headers) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const response = await http.send('POST', '/v1/requests/HP-142/reviews', { token: 'token-mia', body: '{}', headers })
    await problemOf(response, 415, 'unsupported_media_type')
  })

  it('refuses 100 MB by what is announced, before reading and without a 100 Continue', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const head = `POST /v1/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n`
    for (const extra of ['', 'Expect: 100-continue\r\n']) {
      const answer = await http.raw(`${head}${extra}\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 413 /)
      expect(answer).toContain('"code":"too_large"')
    }
  })

  it('stops reading a body of unknown length at the limit, and closes', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const head = `POST /v1/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`
    const answer = await http.raw(head + chunk.repeat(20))
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toMatch(/connection: close/i)
  })

  it('lets documents be larger, up to 4 MiB', async () => {
    const sizes: number[] = []
    const { app } = fakeApp({
      checkDocuments: async (_, files) => {
        sizes.push(files?.[0]?.text.length ?? 0)
        return { ok: true, value: [] }
      },
    })
    await using http = await startHttp(app)
    const check = (length: number): Promise<Response> =>
      http.send('POST', '/v1/documents/check', {
        token: 'token-sam',
        body: { files: [{ path: 'a.yaml', text: 'x'.repeat(length) }] },
      })
    expect((await check(2 * 1024 * 1024)).status).toBe(200)
    await problemOf(await check(4 * 1024 * 1024), 413, 'too_large')
    expect(sizes).toEqual([2 * 1024 * 1024])
  })
})

describe('messages that could be read in two ways', () => {
  it.each([
    [
      'CL and TE',
      'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n',
    ],
    ['TE and CL', 'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['a length list', 'Content-Length: 2, 2\r\n\r\n{}'],
    ['a length with a sign', 'Content-Length: +2\r\n\r\n{}'],
    ['an unknown coding', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['a coding behind chunked', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
    ['a space before the colon', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n'],
    ['a NUL in a header', 'X-A: b\0c\r\n\r\n'],
    ['a bare CR', 'X-A: b\rTransfer-Encoding: chunked\r\n\r\n'],
  ])('%s → 400 and the end of the connection', async (_, rest) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const answer = await http.raw(
      `POST /v1/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${rest}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    expect(answer).toContain('application/problem+json')
  })

  it.each([
    ['GET /v1/me HTTP/1.1\r\n\r\n', 400],
    ['GET /v1/me HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n', 400],
    [`GET /v1/me HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['\x16\x03\x01\x02\x00\x01\x00\x01', 400],
    ['GET /healthz HTTP/1.0\r\n\r\n', 400],
    ['GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\nConnection: close\r\n\r\n', 400],
    [
      `GET /v1/me HTTP/1.1\r\nHost: localhost\r\n${'a:\r\n'.repeat(3_000)}Authorization: Bearer token-ana\r\nConnection: close\r\n\r\n`,
      200,
    ],
    ['CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n', undefined],
    ['GET http://localhost/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', 421],
  ])('%.40j → %s', async (bytes, status) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const answer = await http.raw(bytes)
    expect(status === undefined ? answer : Number(answer.slice(9, 12))).toBe(status ?? '')
    // The server lives.
    expect((await http.send('GET', '/healthz')).status).toBe(200)
  })
})

describe('other sites', () => {
  it('refuses an approval that a page of another origin sends, and records it', async () => {
    const { app, denials } = fakeApp()
    await using http = await startHttp(app)
    const answer = await http.send('POST', '/v1/requests/HP-142/reviews', {
      token: 'token-mia',
      body: approval,
      headers: { origin: 'https://evil.example' },
    })
    await problemOf(answer, 403, 'cross_origin')
    expect(denials).toMatchObject([{ what: 'POST /v1/requests/HP-142/reviews' }])
  })

  it.each(['https://evil.example', 'http://localhost:7400', undefined])(
    'upgrades no connection to a WebSocket (Origin: %s)',
    async (origin) => {
      const { app } = fakeApp()
      await using http = await startHttp(app)
      const answer = await http.raw(
        `GET /v1/events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${origin === undefined ? '' : `Origin: ${origin}\r\n`}\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /)
      expect(answer).toContain('application/problem+json')
    },
  )

  it('lets no other origin read, frame or sniff an answer', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    for (const path of ['/', '/docs', '/r/HP-142', '/openapi.json', '/v1/me', '/nothing', '/problems/self_review']) {
      const { headers } = await http.send('GET', path, { headers: { origin: 'https://evil.example' } })
      expect(headers.get('access-control-allow-origin')).toBeNull()
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('set-cookie')).toBeNull()
    }
  })
})

describe('methods', () => {
  it.each(['GET', 'HEAD', 'PUT', 'DELETE'])('approves nothing by %s: 405 with Allow', async (method) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const response = await http.send(method, '/v1/requests/HP-142/reviews?verdict=approve', { token: 'token-mia' })
    expect(response.headers.get('allow')).toBe('POST')
    expect(response.status).toBe(405)
  })

  it('says for every path what it answers to', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    for (const { path } of Object.values(routes)) {
      const here = Object.values(routes).filter((route) => route.path === path)
      const other = (['PUT', 'DELETE', 'PATCH', 'POST'] as const).find((method) =>
        here.every((route) => route.method !== method),
      )
      const response = await http.send(other ?? 'PUT', path.replaceAll(/\{[a-z]+\}/g, 'HP-1'), { token: 'token-mia' })
      expect(response.status).toBe(405)
      for (const route of here) expect(response.headers.get('allow')?.split(', ')).toContain(route.method)
    }
  })

  it('sets no state of a request, whoever asks and whether there is one: 403, recorded', async () => {
    const { app, denials } = fakeApp()
    await using http = await startHttp(app)
    for (const body of [{ status: 'approved' }, { reviewers: ['ana'] }, {}]) {
      await problemOf(
        await http.send('PATCH', '/v1/requests/HP-9', { token: 'token-ana', body }),
        403,
        'read_only_field',
      )
    }
    expect(denials).toHaveLength(3)
    expect(denials[0]).toMatchObject({ by: 'ana', what: 'PATCH /v1/requests/HP-9', refusal: 'read_only_field' })
  })
})

describe('who calls', () => {
  it('answers 401 with how to sign in for a token that is absent, wrong, or not of the alphabet', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    for (const authorization of [
      undefined,
      'Bearer wrong',
      'Basic YW5hOng=',
      'Bearer',
      'Bearer a b',
      `Bearer ${'x'.repeat(5_000)}`,
    ]) {
      const response = await http.send('GET', '/v1/me', {
        headers: authorization === undefined ? {} : { authorization },
      })
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
      await problemOf(response, 401, 'not_signed_in')
    }
  })

  it('takes no token from the address, a cookie or a header of another name', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    for (const path of ['/v1/me?access_token=token-ana', '/v1/me?token=token-ana']) {
      await problemOf(await http.send('GET', path), 401, 'not_signed_in')
    }
    const headers = { cookie: 'token=token-ana', 'x-user': 'ana', 'x-remote-user': 'ana', 'x-forwarded-user': 'ana' }
    await problemOf(await http.send('GET', '/v1/me', { headers }), 401, 'not_signed_in')
  })

  it('ignores X-Forwarded-For of a peer that is no proxy, and believes a named one', async () => {
    const seen: string[] = []
    const given = {
      signIn: async (input: { readonly sourceAddress: string }) => (
        seen.push(input.sourceAddress),
        { ok: false as const, refusal: 'wrong_credentials' as const }
      ),
    }
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    const body = { name: 'ana', password: 'x' }
    {
      await using http = await startHttp(fakeApp(given).app)
      await http.send('POST', '/v1/sign-in', { body, headers })
    }
    {
      await using http = await startHttp(fakeApp(given).app, { trustedProxies: ['127.0.0.1'] })
      await http.send('POST', '/v1/sign-in', { body, headers })
    }
    expect(seen).toEqual(['127.0.0.1', '203.0.113.7'])
  })

  it('lets a token do only what its scope names', async () => {
    const { app, denials } = fakeApp({
      authenticate: async (token) => {
        const { callerNamed } = await import('../../test/support/fake-app.ts')
        return callerNamed('ana', [token as 'read'])
      },
      getRequest: async () => ({ ok: true, value: pendingView() }),
    })
    await using http = await startHttp(app)
    for (const token of ['read', 'request', 'review', 'policy', 'gateway'] as const) {
      for (const [id, route] of Object.entries(routes)) {
        if (!('scopes' in route) || route.scopes.length === 0) continue
        const covered = (route.scopes as readonly string[]).includes(token)
        const response = await http.send(route.method, route.path.replaceAll(/\{[a-z]+\}/g, 'HP-1'), {
          token,
          ...(route.method === 'GET' ? {} : { body: {} }),
        })
        const problem = response.status === 403 ? ((await response.json()) as { code: string }).code : ''
        await response.body?.cancel().catch(() => undefined)
        expect({ token, id, narrow: problem === 'scope_too_narrow' }).toEqual({ token, id, narrow: !covered })
      }
    }
    expect(denials.some((denial) => denial.refusal === 'scope_too_narrow')).toBe(true)
  })

  it('records the denials of a stranger within a bound, and every one of a known caller', async () => {
    const { app, denials } = fakeApp()
    await using http = await startHttp(app)
    for (let i = 0; i < 60; i++) await (await http.send('GET', '/v1/me', { token: 'wrong' })).body?.cancel()
    expect(denials).toHaveLength(30)
    for (let i = 0; i < 40; i++)
      await (await http.send('PATCH', '/v1/requests/HP-1', { token: 'token-ana', body: {} })).body?.cancel()
    expect(denials.filter((denial) => denial.by === 'ana')).toHaveLength(40)
  })
})

describe('input', () => {
  it.each([
    '-1',
    '-15m',
    'NaN',
    '1e309',
    'Infinity',
    '0s',
    '3650d',
    '87600h',
    '15',
    '1.5h',
    ' 15m',
    '15m ',
    '1y',
    '99999999999999999999s',
    '',
  ])('refuses the length of time %j', async (length) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const window = { resource: 'shop-db', verbs: ['write'], for: length }
    const problem = await problemOf(
      await http.send('POST', '/v1/requests', { token: 'token-ana', body: window }),
      400,
      'invalid_input',
    )
    expect(problem.errors?.[0]).toMatchObject({ in: 'body', path: '/for' })
  })

  it.each([-1, 0, 900, null, true, [], {}])('refuses a length of time that is %j', async (length) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const window = { resource: 'shop-db', verbs: ['write'], for: length }
    await problemOf(await http.send('POST', '/v1/requests', { token: 'token-ana', body: window }), 400, 'invalid_input')
  })

  it.each([
    '?state=nothing',
    '?limit=0',
    '?limit=201',
    '?limit=1e2',
    '?limit=-1',
    '?cursor=',
    '?state=pending&state=denied',
    '?stat=pending',
    '?__proto__=1',
    '?resource=..%2fx',
    '?requester=%00',
  ])('refuses the query %s', async (query) => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    await problemOf(await http.send('GET', `/v1/requests${query}`, { token: 'token-ana' }), 400, 'invalid_input')
  })

  it('passes on what the use case says of a cursor', async () => {
    const { app } = fakeApp({
      listRequests: async () => ({ ok: false, refusal: 'invalid_input', detail: 'the cursor is not one of ours' }),
    })
    await using http = await startHttp(app)
    await problemOf(await http.send('GET', '/v1/requests?cursor=forged', { token: 'token-ana' }), 400, 'invalid_input')
  })

  it.each(['HP-0', 'HP-', 'x', 'HP-1e3', 'hp-99999999999999999999'])(
    'answers for the id %s as for one that nobody has',
    async (id) => {
      const { app } = fakeApp({ getRequest: async () => ({ ok: false, refusal: 'not_found' }) })
      await using http = await startHttp(app)
      const { instance: _, ...malformed } = await problemOf(
        await http.send('GET', `/v1/requests/${id}`, { token: 'token-ana' }),
        404,
        'not_found',
      )
      const { instance: __, ...absent } = await problemOf(
        await http.send('GET', '/v1/requests/HP-99', { token: 'token-ana' }),
        404,
        'not_found',
      )
      expect(malformed).toEqual(absent)
    },
  )

  it('gives no payload to a reader who may know only that it exists', async () => {
    const { app } = fakeApp({
      getRequest: async () => ({
        ok: true,
        value: {
          ...pendingView({ reviews: [{ by: 'mia', verdict: 'approve', digest, at: 0, words: 'the carts' }] as never }),
          metadataOnly: true,
        },
      }),
    })
    await using http = await startHttp(app)
    const text = await (await http.send('GET', '/v1/requests/HP-142', { token: 'token-sam' })).text()
    expect(text).not.toMatch(/carts|abandoned/)
    expect(JSON.parse(text)).toMatchObject({
      id: 'HP-142',
      state: 'pending',
      subject: { kind: 'hidden' },
      reviews: [{ by: 'mia' }],
    })
  })
})

describe('faults', () => {
  it('are opaque: an id, and nothing of the cause', async () => {
    const { app } = fakeApp({
      getRequest: async () => {
        throw Object.assign(new Error('insert into secrets', { cause: new Error('ECONNREFUSED 10.0.0.5') }), {
          detail: 'Key (password)=(hunter2)',
        })
      },
    })
    await using http = await startHttp(app)
    const problem = await problemOf(
      await http.send('GET', '/v1/requests/HP-1', { token: 'token-ana' }),
      500,
      'internal',
    )
    expect(JSON.stringify(problem)).not.toMatch(/secrets|10\.0\.0\.5|hunter2/)
    const line = http.logged.find(({ level }) => level === 'error')
    expect(line?.fields).toMatchObject({
      request: problem.instance,
      error: { message: 'insert into secrets', cause: { message: 'ECONNREFUSED 10.0.0.5' } },
    })
    expect(JSON.stringify(http.logged)).not.toContain('hunter2')
  })

  it('are not what a client makes that goes away in the middle of its body', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const socket = connect(http.port, '127.0.0.1')
    socket.write(
      'POST /v1/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name"',
    )
    await once(socket, 'connect')
    socket.destroy()
    await vi.waitFor(async () =>
      expect(await (await http.send('GET', '/metrics')).text()).toMatch(/operation="signIn".*status="400"/),
    )
    expect(http.logged.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('log neither tokens nor addresses with their query', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    await http.send('GET', '/v1/me?x=top-secret', { token: 'token-ana' })
    await http.send('POST', '/v1/sign-in', { body: { name: 'ana', password: 'correct horse' } })
    expect(JSON.stringify(http.logged)).not.toMatch(/top-secret|token-ana|correct horse/)
  })
})

describe('probes', () => {
  it('say that the process lives, whether it may be given work, and how it does', async () => {
    const { app } = fakeApp({
      readiness: async () => ({ ready: false, checks: [{ name: 'policy', ok: false, detail: 'older than 2 s' }] }),
    })
    await using http = await startHttp(app, {
      metrics: {
        gauges: async () => ({
          pendingRequests: 2,
          openSessions: 3,
          overdueGrants: 0,
          leftovers: 0,
          failedJobs: 0,
          lateJobs: 0,
          lostStatements: 0,
          ledgerSize: 9,
          ledgerUnsigned: 0,
          ledgerUnwitnessed: 0,
        }),
      },
    })
    expect((await http.send('GET', '/healthz')).status).toBe(200)
    expect((await http.send('GET', '/readyz')).status).toBe(503)
    const text = await (await http.send('GET', '/metrics')).text()
    expect(text).toContain('holdpoint_pending_requests 2')
    expect(text).toContain('holdpoint_open_sessions 3')
    expect(text).toMatch(/holdpoint_http_requests_total\{operation="page",method="GET",status="503"\} 1/)
    expect(text).toMatch(/holdpoint_build_info\{version="0\.0\.0",node="24/)
  })

  it('say so when the store does not answer, with words or none, instead of waiting with it', async () => {
    const frozen = () => new Promise<never>(() => undefined)
    const { app } = fakeApp({ readiness: frozen, setupNeeded: frozen })
    await using http = await startHttp(app, { probeWithinMs: 50, metrics: { gauges: frozen } })
    const readyz = await http.send('GET', '/readyz')
    expect([readyz.status, await readyz.json()]).toEqual([
      503,
      { ready: false, checks: [{ name: 'store', ok: false, detail: 'it does not answer' }] },
    ])
    expect(await (await http.send('GET', '/metrics')).text()).toContain('holdpoint_build_info')
    expect(await (await http.send('GET', '/')).text()).toContain('Not ready')
    const { app: broken } = fakeApp({ readiness: async () => Promise.reject(new Error('no store')) })
    await using other = await startHttp(broken)
    expect((await other.send('GET', '/readyz')).status).toBe(503)
  })

  it('count an invented path as a page, so that nobody grows the metrics', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    for (let i = 0; i < 5; i++) await http.send('GET', `/invented-${i}`)
    expect(await (await http.send('GET', '/metrics')).text()).not.toContain('invented')
  })

  it('leave out a gauge that cannot be read, rather than say zero', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app, { metrics: { gauges: async () => Promise.reject(new Error('no store')) } })
    expect(await (await http.send('GET', '/metrics')).text()).not.toMatch(/^holdpoint_(overdue|pending|open)/m)
  })
})
