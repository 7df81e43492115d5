import type { Hono } from 'hono'
import type { App } from '../../app/app.ts'
import { jsonAnswer } from '../answer.ts'
import { PROBE_WITHIN_MS, inTime } from '../in-time.ts'
import type { HttpMetrics } from '../metrics.ts'
import { openApi } from '../openapi.ts'
import type { Env } from '../operations.ts'
import { Refused, isProblemCode } from '../problems.ts'
import { parseRequestId } from '../../domain/ids.ts'
import { docsPage } from './docs.ts'
import { homePage } from './home.ts'
import { FAVICON, pageAnswer } from './page.ts'
import { problemPage, problemsPage } from './problems.ts'
import { requestPage } from './request.ts'
import type { HttpServerOptions } from '../server.ts'

type Readiness = Awaited<ReturnType<App['readiness']>>
const STORE_SILENT: Readiness = { ready: false, checks: [{ name: 'store', ok: false, detail: 'it does not answer' }] }

type PageOptions = Omit<HttpServerOptions, 'metrics'> & {
  /** The public URL, or the address it listens on. */
  readonly url: () => string
  readonly metrics: HttpMetrics
}

/** Puts the pages, the probes and the descriptions on the router. Returns which methods each path answers to. */
export function servePages(hono: Hono<Env>, options: PageOptions): ReadonlyMap<string, Set<string>> {
  const methods = new Map<string, Set<string>>()
  const get = (path: string, serve: (param: (name: string) => string) => Response | Promise<Response>): void => {
    methods.set(path, new Set(['GET', 'HEAD']))
    // A query is let be: chat programs and scrapers add their own.
    hono.get(path, (c) => serve((name) => c.req.param(name) ?? ''))
  }
  // A store in doubt is what these are for: they say so instead of failing or waiting with it.
  const withinMs = options.probeWithinMs ?? PROBE_WITHIN_MS
  const readiness = (): Promise<Readiness> => inTime(options.app.readiness(), withinMs).catch(() => STORE_SILENT)
  const described = openApi(options.info.version)

  get('/openapi.json', () => jsonAnswer(200, described))
  get('/schemas/:file', (param) => {
    const kind = /^([A-Za-z]+)\.json$/.exec(param('file'))?.[1]?.toLowerCase()
    const schema = Object.entries(options.documentSchemas).find(([name]) => name.toLowerCase() === kind)?.[1]
    if (schema === undefined) throw new Refused('no_such_page')
    return new Response(JSON.stringify(schema), { headers: { 'content-type': 'application/schema+json' } })
  })
  get('/healthz', () => jsonAnswer(200, { status: 'ok' }))
  get('/readyz', async () => {
    const { ready, checks } = await readiness()
    return jsonAnswer(ready ? 200 : 503, { ready, checks })
  })
  get('/metrics', async () => {
    const { type, body } = await options.metrics.text()
    return new Response(body, { headers: { 'content-type': type, 'cache-control': 'no-store' } })
  })

  const { demo, version } = options.info
  const docs = docsPage(described)
  get('/', async () => {
    const { ready, checks } = await readiness()
    const setupNeeded = ready && (await options.app.setupNeeded())
    const input = { demo, version, url: options.url(), setupNeeded, ready, checks, gateway: options.info.gateway?.() }
    return pageAnswer({ title: 'Holdpoint', demo, body: homePage(input) })
  })
  get('/r/:id', (param) => {
    const id = parseRequestId(param('id'))
    if (id === undefined) throw new Refused('no_such_page')
    return pageAnswer({ title: `${id} · Holdpoint`, demo, body: requestPage(id, demo) })
  })
  get('/docs', () => pageAnswer({ title: 'API · Holdpoint', demo, body: docs }))
  get('/problems', () => pageAnswer({ title: 'Problems · Holdpoint', demo, body: problemsPage() }))
  get('/problems/:code', (param) => {
    const code = param('code')
    if (!isProblemCode(code)) throw new Refused('no_such_page')
    return pageAnswer({ title: `${code} · Holdpoint`, demo, body: problemPage(code) })
  })
  get(
    '/favicon.svg',
    () => new Response(FAVICON, { headers: { 'content-type': 'image/svg+xml', 'cache-control': 'max-age=86400' } }),
  )
  return methods
}
