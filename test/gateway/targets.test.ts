import { chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { generatedCertificate } from '../../src/gateway/tls.ts'
import { startEmbedded } from '../../src/store/embedded/start-embedded.ts'
import type { Embedded } from '../../src/store/embedded/start-embedded.ts'
import { installation, RULES, shopDb, TEAMS, withClient } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'

/** Every way to sign in to a target, with TLS and without, against a real server that asks for it. */
let world: Installation
let server: Embedded
const parts = new AsyncDisposableStack()
let certificate: string
const ROLES = { scram: 'pass ✓ phrase', md5: 'hunter2', cleartext: 'open sesame', trusted: 'unused', tls: 'behind tls' }
const ACCESS = `host all md5 127.0.0.1/32 md5
host all cleartext 127.0.0.1/32 password
host all trusted 127.0.0.1/32 trust
hostnossl all tls 127.0.0.1/32 reject
hostssl all tls 127.0.0.1/32 scram-sha-256
host all scram 127.0.0.1/32 scram-sha-256
`
beforeAll(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'hp-targets-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const dataDir = path.join(folder, 'data')
  server = await startEmbedded({ dataDir, database: 'shop', durable: false, log: () => undefined })
  parts.defer(() => server.stop())
  const cluster = path.join(dataDir, 'postgres')
  const owner = await stat(cluster)
  const put = async (name: string, text: string): Promise<void> => {
    await writeFile(path.join(cluster, name), text, { mode: 0o600 })
    await chown(path.join(cluster, name), owner.uid, owner.gid)
  }
  const { cert, key } = await generatedCertificate(path.join(folder, 'tls'), ['localhost'])
  certificate = cert
  await put('server.crt', cert)
  await put('server.key', key)
  await put('pg_hba.conf', ACCESS + (await readFile(path.join(cluster, 'pg_hba.conf'), 'utf8')))
  const client = new pg.Client(server.url)
  await client.connect()
  for (const [name, password] of Object.entries(ROLES)) {
    await client.query(`SET password_encryption = '${name === 'md5' ? 'md5' : 'scram-sha-256'}'`)
    await client.query(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`)
  }
  await client.query('ALTER SYSTEM SET ssl = on')
  await client.query('SELECT pg_reload_conf()')
  while ((await client.query<{ ssl: string }>('SHOW ssl')).rows[0]?.ssl !== 'on');
  await client.end()
  world = parts.use(await installation())
}, 60_000)
afterAll(() => parts.disposeAsync())

/** Who the target says it is, and whether it was reached by TLS; or why not. */
async function through(role: keyof typeof ROLES, sslmode: string, more: { password?: string; host?: string } = {}) {
  const { password = ROLES[role], host = '127.0.0.1' } = more
  await world.as('sam').call('setSecret', { params: { name: 'shop-db' }, body: { value: password } })
  await world.apply(RULES, TEAMS, shopDb(`postgres://${role}@${host}:${server.port}/shop?sslmode=${sslmode}`))
  try {
    return await withClient(world.connection, async (client) => {
      const sql = 'SELECT current_user AS who, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls'
      return (await client.query({ text: sql, rowMode: 'array' })).rows[0]
    })
  } catch (error) {
    return (error as Error).message
  }
}

it('signs in with SCRAM, md5, a password in clear on this machine, and nothing', async () => {
  expect(await through('scram', 'disable')).toEqual(['scram', false])
  expect(await through('md5', 'disable')).toEqual(['md5', false])
  expect(await through('cleartext', 'disable')).toEqual(['cleartext', false])
  expect(await through('trusted', 'disable')).toEqual(['trusted', false])
})

it('encrypts when it is asked to, and when it may', async () => {
  expect(await through('tls', 'require')).toEqual(['tls', true])
  expect(await through('tls', 'prefer')).toEqual(['tls', true])
  expect(await through('md5', 'require')).toEqual(['md5', true])
  expect(await through('tls', 'disable')).toContain('the target refuses')
})

it('verifies the name and the issuer with verify-full', async () => {
  expect(await through('tls', 'verify-full', { host: 'localhost' })).toContain('TLS with the target failed')
  const before = getCACertificates('default')
  setDefaultCACertificates([...before, certificate])
  try {
    expect(await through('tls', 'verify-full', { host: 'localhost' })).toEqual(['tls', true])
    // The server is reached, and is not who its certificate names.
    expect(await through('tls', 'verify-full')).toContain('TLS with the target failed (ERR_TLS_CERT_ALTNAME_INVALID)')
  } finally {
    setDefaultCACertificates(before)
  }
})

it('a wrong password is a sentence without it', async () => {
  for (const role of ['scram', 'md5', 'cleartext'] as const) {
    const said = await through(role, 'require', { password: 'opensesame!' })
    expect(said).toMatch(/^shop-db: the target refuses: password authentication failed/)
    expect(said).not.toContain('opensesame!')
  }
})
