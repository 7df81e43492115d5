import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { connectPostgres } from '../src/cli/pg-connection.ts'
import { until } from '../src/store/embedded/process.ts'
import { startEmbedded } from '../src/store/embedded/start-embedded.ts'
import type { World } from '../src/tour/world.ts'
import { reachesBySocket } from './ways.ts'
import type { Way } from './ways.ts'

/** The table to copy. */
export const COPIED = 'copied'
/** Bytes of one of its rows as COPY writes it, within a few: those of pgbench_accounts. */
const ROW = 100

/** A PostgreSQL of the bench's own, and a resource of it where policy allows everything. */
export interface SpareTarget extends AsyncDisposable {
  readonly direct: Way
  readonly gateway: Way
  readonly socketDir: string
  readonly bySocket: boolean
}

/** Adds it to the world's resources; the demo's own have fewer connections, and their exports are held. */
export async function spareTarget(
  world: World,
  size: { readonly connections: number; readonly megabytes: number },
): Promise<SpareTarget> {
  await using parts = new AsyncDisposableStack()
  const server = await startEmbedded({
    dataDir: path.join(world.folder, 'spare'),
    database: 'spare',
    durable: false,
    settings: { max_connections: String(size.connections + 50), autovacuum: 'off' },
    log: () => undefined,
  })
  parts.defer(() => server.stop())
  const password = randomBytes(18).toString('base64url')
  const at = { host: '127.0.0.1', port: server.port, database: 'spare', tls: 'disable' } as const
  const admin = await connectPostgres({ ...at, user: server.user, password: server.password })
  try {
    await admin.query(`CREATE ROLE bench LOGIN PASSWORD '${password}';
CREATE TABLE ${COPIED} AS SELECT n AS id, 1 AS branch, 0 AS balance, repeat(' ', 84) AS filler
  FROM generate_series(1000000, 1000000 + ${Math.round((size.megabytes * 1e6) / ROW)}) n;
ALTER TABLE ${COPIED} OWNER TO bench`)
    // Otherwise the first who reads it would write down that its rows are there.
    await admin.query(`VACUUM ${COPIED}`)
  } finally {
    await admin.close()
  }
  await register(world, `postgres://bench@127.0.0.1:${server.port}/spare?sslmode=disable`, password)
  const token = await world.hp('ana', 'token', '--lifetime', '12h')
  if (token.code !== 0) throw new Error(`no token: ${token.err}`)
  const direct = { port: server.port, database: 'spare', user: 'bench', password }
  const gateway = {
    port: world.gatewayPort,
    database: 'spare-db',
    user: 'ana',
    password: token.out.trim(),
    pid: world.pid(),
  }
  // A process of the gateway may learn of the resource a moment after it was added.
  const bySocket = await until(() => reachesBySocket(gateway).catch(() => undefined), 10_000, 100)
  if (bySocket === undefined) throw new Error('the gateway does not serve spare-db')
  const all = parts.move()
  const { socketDir } = server
  return { direct, gateway, socketDir, bySocket, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** As the demo's people do: security writes it, the lead of the platform agrees. */
async function register(world: World, connect: string, password: string): Promise<void> {
  const file = path.join(world.folder, 'spare.yaml')
  writeFileSync(
    file,
    `kind: Resource
name: spare-db
connect: ${connect}
credential: {from: secret, name: spare-db}
env: dev
classification: public
purpose: Benchmarks
owners:
  - {layer: service, team: database, decides: [connect, read, write, delete, exec, schema, admin, export]}
---
kind: Rule
name: spare-db-is-free
on: {resource: spare-db}
allow: {}
`,
  )
  const secret = path.join(world.folder, 'spare.secret')
  writeFileSync(secret, password, { mode: 0o600 })
  const sealed = await world.hp('sam', 'secret', 'set', 'spare-db', '--file', secret)
  if (sealed.code !== 0) throw new Error(`no secret: ${sealed.err}`)
  const asked = await world.hp('sam', 'apply', '-f', file, '--reason', 'benchmarks')
  const id = /held (HP-\d+)/.exec(asked.out + asked.err)?.[1]
  if (id === undefined) throw new Error(`the resource was not added: ${asked.err}`)
  const agreed = await world.hp('lee', 'review', id, '--approve')
  if (agreed.code !== 0) throw new Error(`the resource was not agreed to: ${agreed.err}`)
}
