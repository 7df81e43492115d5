import { connect } from 'node:net'
import { expect } from 'vitest'
import type { App } from '../../src/app/app.ts'
import type { ProblemBody } from '../../src/contract/problem.ts'
import { instant } from '../../src/domain/time.ts'
import { createHttpServer } from '../../src/http/server.ts'
import type { HttpServerOptions } from '../../src/http/server.ts'

export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: unknown
  readonly text: string | undefined
}

export interface TestHttp extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly logged: LoggedLine[]
  /** `token` undefined: none. A body that is not a string is sent as JSON. */
  send(method: string, path: string, options?: SendOptions): Promise<Response>
  /** Bytes as they are, on a connection of their own; what came back until it closed. */
  raw(bytes: string | Buffer): Promise<string>
}
export interface SendOptions {
  readonly token?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** The real HTTP server on a free port of loopback, before `app`. */
export async function startHttp(app: App, options: Partial<HttpServerOptions> = {}): Promise<TestHttp> {
  const logged: LoggedLine[] = []
  const level = (name: LoggedLine['level']) => (fields: unknown, text?: string) =>
    void logged.push({ level: name, fields, text })
  const server = createHttpServer({
    app,
    info: { version: '0.0.0', demo: false },
    now: () => instant(1_795_000_000_000),
    documentSchemas: { resource: { title: 'Resource' } },
    log: {
      debug: level('debug'),
      info: level('info'),
      warn: level('warn'),
      error: level('error'),
    } as HttpServerOptions['log'],
    ...options,
  })
  const { url, port } = await server.listen('127.0.0.1', 0)
  return {
    url,
    port,
    logged,
    send: (method, path, { token, body, headers, signal } = {}) =>
      fetch(`${url}${path}`, {
        method,
        redirect: 'manual',
        ...(signal === undefined ? {} : { signal }),
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    raw: (bytes) =>
      new Promise((resolve, reject) => {
        let text = ''
        const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
        socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
        socket.on('close', () => resolve(text))
        // Cut while we still write: what came before is the answer.
        socket.on('error', (error: NodeJS.ErrnoException) =>
          error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error),
        )
      }),
    [Symbol.asyncDispose]: () => server.close(),
  }
}

/** The problem document that an answer must be. */
export async function problemOf(response: Response, status: number, code: string): Promise<ProblemBody> {
  const text = await response.text()
  expect({ status: response.status, type: response.headers.get('content-type'), text }).toMatchObject({
    status,
    type: 'application/problem+json',
  })
  const problem = JSON.parse(text) as ProblemBody
  expect(problem).toMatchObject({ status, code, type: `/problems/${code}` })
  return problem
}
