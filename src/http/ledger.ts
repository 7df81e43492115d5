import type { Context, Hono } from 'hono'
import type { App } from '../app/app.ts'
import { parseTilePath } from '../domain/ledger/tiles.ts'
import { NO_STORE } from './answer.ts'
import type { Env } from './operations.ts'
import { requireCaller } from './operations.ts'
import { Refused } from './problems.ts'

/** Tiles never change. */
const FOR_EVER = { 'cache-control': 'public, max-age=31536000, immutable' }
const NOTE = { 'content-type': 'text/plain; charset=utf-8', ...NO_STORE }

/**
 * The log as C2SP tlog-tiles serves it, below `/ledger`: checkpoint and hashes to whoever comes, entries to those who
 * may read the whole record. Returns which methods each path answers to.
 */
export function serveLedger(hono: Hono<Env>, app: App): ReadonlyMap<string, Set<string>> {
  const methods = new Map<string, Set<string>>()
  const get = (path: string, serve: (c: Context<Env>) => Promise<Response>): void => {
    methods.set(path, new Set(['GET', 'HEAD']))
    hono.get(path, (c) => {
      c.set('operation', 'ledger')
      return serve(c)
    })
  }
  const note = async (text: string | undefined): Promise<Response> => {
    if (text === undefined) throw new Refused('not_found', { detail: 'there is none yet' })
    return new Response(text, { headers: NOTE })
  }
  get('/ledger/checkpoint', async () => note(await app.ledgerCheckpoint('newest')))
  get('/ledger/cosigned', async () => note(await app.ledgerCheckpoint('newest cosigned')))
  get('/ledger/keys', async () => note(await app.ledgerKeys()))
  get('/ledger/checkpoints', async (c) => {
    const after = c.req.query('after') ?? '0'
    if (!/^(?:0|[1-9][0-9]{0,14})$/.test(after)) throw new Refused('invalid_input', { detail: 'after: a whole number' })
    return note(await app.ledgerCheckpoints(Number(after)))
  })
  get('/ledger/bodies/*', async (c) => {
    const at = parseTilePath(c.req.path.replace('/ledger/bodies/', 'tile/entries/'))
    if (at === undefined) throw new Refused('no_such_page')
    const caller = await requireCaller(c, ['read'], app)
    const bodies = await app.ledgerBodies(caller, at)
    if (!bodies.ok) throw new Refused(bodies.refusal, bodies.detail === undefined ? {} : { detail: bodies.detail })
    return note(bodies.value)
  })
  get('/ledger/tile/*', async (c) => {
    const at = parseTilePath(c.req.path.slice('/ledger/'.length))
    if (at === undefined) throw new Refused('no_such_page')
    const { level, index, width } = at
    if (level !== undefined) {
      const hashes = await app.ledgerTile({ level, index, width })
      if (hashes === undefined) throw new Refused('no_such_page')
      return bytes(hashes, FOR_EVER)
    }
    const caller = await requireCaller(c, ['read'], app)
    const bundle = await app.ledgerBundle(caller, { index, width })
    if (!bundle.ok) throw new Refused(bundle.refusal, bundle.detail === undefined ? {} : { detail: bundle.detail })
    return bytes(bundle.value, NO_STORE)
  })
  return methods
}

const bytes = (body: Uint8Array, headers: Readonly<Record<string, string>>): Response =>
  new Response(Uint8Array.from(body), { headers: { 'content-type': 'application/octet-stream', ...headers } })
