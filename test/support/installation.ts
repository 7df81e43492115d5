import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import pg from 'pg'
import { pino } from 'pino'
import { boot } from '../../src/boot.ts'
import type { Running } from '../../src/boot.ts'
import { ROLES } from '../../src/config.ts'
import { createClient } from '../../src/contract/client.ts'
import type { Client } from '../../src/contract/client.ts'
import { testDatabase, testServer } from './database.ts'
import type { TestDatabase } from './database.ts'

/** A whole installation in this process, as `hp start` builds it: real store, policy, catalogue, control and gateway. */
export interface Installation extends AsyncDisposable {
  readonly running: Running
  readonly dataDir: string
  /** What the program logged as a warning or worse. */
  readonly logged: readonly string[]
  /** Holdpoint's own database, past Holdpoint. */
  readonly store: TestDatabase
  /** The database behind the resource `shop-db`, past Holdpoint. */
  readonly target: TestDatabase
  /** The API as one of the people: ana (sre), mia and dev (payments, which owns shop-db), sam (security, administrator). */
  as(name: Person): Client
  /** For pg, postgres and the raw client: signed in as ana to shop-db. */
  readonly connection: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly password: string
    readonly database: string
  }
  /** Puts other documents in force. */
  apply(...texts: readonly string[]): Promise<void>
  /** The first request that waits for this person, mia by default, once there is one. */
  pending(by?: Person): Promise<Waiting>
  approve(by?: Person): Promise<Waiting>
  deny(words: string, by?: Person): Promise<Waiting>
}
export type Person = 'ana' | 'mia' | 'dev' | 'sam'
export type Waiting = Awaited<ReturnType<typeof waiting>>

const PASSWORD = 'a long enough pass phrase'
export const TEAMS = `kind: Team
name: payments
members: [mia, dev]
lead: mia
---
kind: Team
name: security
members: [sam]
lead: sam
---
kind: Team
name: sre
members: [ana]
`
/** Reads and connecting pass, changes are held for the owners, and administration is denied. */
export const RULES = `kind: Settings
default: hold
security: security
timeout: 15m
---
kind: Rule
name: connecting
on: {verbs: [connect]}
allow: {}
---
kind: Rule
name: reads
on: {verbs: [read]}
allow: {}
---
kind: Rule
name: changes
on: {verbs: [write, delete, schema]}
hold: {reviews: [{from: owners}], scope: once}
---
kind: Rule
name: never-admin
on: {verbs: [admin]}
deny: Ask the database team.
`

/** `more` goes into the resource as it stands; `connect` is for a target that stands somewhere else. */
export const shopDb = (connect: string, more = ''): string => `kind: Resource
name: shop-db
connect: ${connect}
credential: {from: secret, name: shop-db}
env: prod
classification: internal
purpose: Carts
owners:
  - {layer: service, team: payments, decides: [connect, read, write, delete, exec, schema, admin, export]}
${more}`

export async function installation(
  options: {
    readonly documents?: readonly string[]
    readonly tables?: readonly string[]
    /** The server behind `shop-db`, one of `targetServers`; the embedded one when left out. */
    readonly server?: string
    /** 0, so in this process, when left out. */
    readonly gatewayWorkers?: number
    /** Holdpoint's own database, in place of a fresh one of the run's server. */
    readonly store?: TestDatabase
    /** `warn` when left out. */
    readonly logLevel?: 'trace'
  } = {},
): Promise<Installation> {
  await using parts = new AsyncDisposableStack()
  const dataDir = await mkdtemp(path.join(tmpdir(), 'hp-installation-'))
  parts.defer(() => rm(dataDir, { recursive: true, force: true }))
  const [store, target] = await Promise.all([options.store ?? testDatabase(), testServer(options.server)])
  parts.defer(() => store.close())
  parts.defer(() => target.close())
  for (const table of options.tables ?? ['CREATE TABLE carts (id int, note text)']) await target.query(table)
  const logged: string[] = []
  const log = pino({ level: options.logLevel ?? 'warn' }, { write: (line: string) => void logged.push(line) })
  const running = await boot(
    {
      dataDir,
      databaseUrl: store.url,
      roles: ROLES,
      drainMs: 0,
      listen: { host: '127.0.0.1', port: 0 },
      gateway: { host: '127.0.0.1', port: 0 },
      gatewayWorkers: options.gatewayWorkers ?? 0,
      demo: false,
      trustedProxies: [],
      logLevel: 'warn',
    },
    log,
  )
  parts.defer(() => running.stop())

  const code = /One-time code: (\S+)/.exec(stripVTControlCharacters(running.banner))?.[1] ?? ''
  const { tokens, gatewayToken } = await furnish(running.url, code, target, options.documents ?? [RULES])
  const clients = new Map(
    [...tokens].map(([name, token]) => [name, createClient({ url: running.url, token: () => token })]),
  )
  const as = (name: Person): Client => {
    const client = clients.get(name)
    if (client === undefined) throw new Error(`${name} is nobody here`)
    return client
  }
  const apply = (...texts: readonly string[]): Promise<void> => applyAs(as('sam'), texts)

  const review = async (by: Person, verdict: 'approve' | 'deny', words?: string): Promise<Waiting> => {
    const found = await waiting(as(by))
    const body = { verdict, digest: found.digest, ...(words === undefined ? {} : { words }) }
    await as(by).call('review', { params: { id: found.id }, body })
    return found
  }
  const all = parts.move()
  return {
    running,
    dataDir,
    logged,
    store,
    target,
    as,
    connection: {
      host: '127.0.0.1',
      port: running.gatewayPort,
      user: 'ana',
      password: gatewayToken,
      database: 'shop-db',
    },
    apply,
    pending: (by = 'mia') => waiting(as(by)),
    approve: (by = 'mia') => review(by, 'approve'),
    deny: (words, by = 'mia') => review(by, 'deny', words),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function applyAs(administrator: Client, texts: readonly string[]): Promise<void> {
  const files = texts.map((text, i) => ({ path: `${i}.yaml`, text }))
  const applied = await administrator.call('applyDocuments', { body: { files, prune: false } })
  if (applied.kind === 'held') throw new Error('the documents were held')
}

/**
 * Makes the people, the resource `shop-db` in front of `target`, and its rules, in a new installation. Answers a token
 * for the API of each person, and one of ana's for the gateway.
 */
export async function furnish(
  url: string,
  code: string,
  { target }: Pick<TestDatabase, 'target'>,
  documents: readonly string[],
): Promise<{ readonly tokens: ReadonlyMap<Person, string>; readonly gatewayToken: string }> {
  const anyone = createClient({ url })
  const first = await anyone.call('setup', { body: { code, name: 'sam', displayName: 'Sam', password: PASSWORD } })
  const tokens = new Map<Person, string>([['sam', first.text]])
  const as = (name: Person): Client => createClient({ url, token: () => tokens.get(name) ?? '' })
  for (const name of ['ana', 'mia', 'dev'] as const) {
    const displayName = name.charAt(0).toUpperCase() + name.slice(1)
    await as('sam').call('createPerson', { body: { name, kind: 'user', displayName, roles: [], password: PASSWORD } })
    tokens.set(name, (await anyone.call('signIn', { body: { name, password: PASSWORD } })).text)
  }
  const { host, port, user, database, password } = target
  await as('sam').call('setSecret', { params: { name: 'shop-db' }, body: { value: password } })
  const connect = `postgres://${user}@${host}:${port}/${database}?sslmode=disable`
  await applyAs(as('sam'), [...documents, TEAMS, shopDb(connect)])
  const { text } = await as('ana').call('issueToken', { body: { kind: 'gateway' } })
  return { tokens, gatewayToken: text }
}

async function waiting(reviewer: Client) {
  for (let left = 400; ; left--) {
    const { needsMe } = await reviewer.call('getInbox', {})
    const [one] = needsMe
    if (one !== undefined) return one
    if (left === 0) throw new Error('nothing waits for a review')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Runs `use` with a pg client of its own. */
export async function withClient<T>(
  connection: pg.ClientConfig,
  use: (client: pg.Client, notices: readonly string[]) => Promise<T>,
): Promise<T> {
  const client = new pg.Client(connection)
  const notices: string[] = []
  client.on('notice', ({ message }) => notices.push(message ?? ''))
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await use(client, notices)
  } finally {
    await client.end()
  }
}
