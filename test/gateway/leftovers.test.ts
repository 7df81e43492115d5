import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installationTag } from '../../src/app/roles/plan-role.ts'
import { grantRole, heirRole, roleTag, standingRole } from '../../src/domain/profile/role-names.ts'
import type { GrantId } from '../../src/domain/ids.ts'
import { ApiProblem } from '../../src/contract/client.ts'
import { openStore } from '../../src/store/open-store.ts'
import { targetServers } from '../support/database.ts'
import { ephemeralTarget, hasPsql } from '../support/ephemeral-target.ts'
import type { EphemeralTarget } from '../support/ephemeral-target.ts'
import { installation, RULES } from '../support/installation.ts'
import type { Installation } from '../support/installation.ts'
import { severedLine } from '../support/severed-line.ts'
import type { SeveredLine } from '../support/severed-line.ts'

if (!hasPsql) process.stderr.write('leftovers.test.ts: skipped, there is no psql on this machine\n')

/** Windows, their credentials, a target that goes away in the middle, and what is found on it beside live grants. */
describe.runIf(hasPsql).each(targetServers())('what is left on a target: PostgreSQL $version', ({ url, version }) => {
  let world: Installation
  let shop: EphemeralTarget
  let line: SeveredLine
  let tag: string
  const more: string[] = []

  beforeAll(async () => {
    world = await installation({
      server: url,
      tables: ['CREATE TABLE carts (id int)', 'INSERT INTO carts SELECT generate_series(1, 20)'],
    })
    shop = await ephemeralTarget(world.target)
    line = await severedLine({ host: world.target.target.host, port: world.target.target.port })
    const value = shop.target.password ?? ''
    await world.as('sam').call('setSecret', { params: { name: shop.resource }, body: { value } })
    const connect = shop.connect.replace(/:\d+\//, `:${line.port}/`)
    await world.apply(
      RULES.replace('scope: once', 'scope: window'),
      `kind: Resource
name: ${shop.resource}
connect: ${connect}
credential: {from: secret, name: ${shop.resource}}
access: ephemeral
directCredential: true
env: prod
classification: internal
owners: [{layer: service, team: payments, decides: [connect, read, write, delete, exec, schema, admin, export]}]
`,
    )
    const opened = await openStore(world.store.url, () => undefined)
    tag = await installationTag(opened.store)
    await opened.close()
  })
  afterAll(async () => {
    line.restore()
    await shop.close(...more)
    await world[Symbol.asyncDispose]()
    await line.close()
  })

  const window = async (credential = false) => {
    const body = { resource: shop.resource, verbs: ['write' as const], for: '10m', credential }
    const { id } = await world.as('ana').call('requestWindow', { body })
    await world.approve()
    return id
  }
  const grant = async (id: string) => (await world.as('ana').call('getRequest', { params: { id } })).grant
  const state = async (id: string) => (await grant(id))?.state
  const thereIs = async (name: string) =>
    (await world.target.query('SELECT FROM pg_roles WHERE rolname = $1', [name])).length === 1
  const look = () => world.store.query('UPDATE inventory SET begun_at = 0')

  it('gives the credential of a window once, to who asked for it; then it ends, with its sessions', async () => {
    const id = await window(true)
    await until(async () => (await state(id)) === 'active')
    const credential = (who: 'ana' | 'mia') => world.as(who).call('giveCredential', { params: { id } })
    await expect(credential('mia')).rejects.toMatchObject({ problem: { status: 403 } })
    const given = await credential('ana')
    await expect(credential('ana')).rejects.toMatchObject({ problem: { status: 409 } })
    const { user, password, database } = given
    const client = new pg.Client({ host: '127.0.0.1', port: line.port, user, password, database })
    const ended = new Promise<unknown>((resolve) => client.on('error', resolve))
    await client.connect()
    expect((await client.query('INSERT INTO carts VALUES (21)')).rowCount).toBe(1)
    await expect(client.query('DELETE FROM carts')).rejects.toMatchObject({ code: '42501' })
    // The password is in no place that stays.
    const [kept] = await world.target.query<{ secret: string }>(
      'SELECT rolpassword AS secret FROM pg_authid WHERE rolname = $1',
      [user],
    )
    expect(kept?.secret).toMatch(/^SCRAM-SHA-256\$4096:/)
    const bodies = await world.store.query<{ body: string }>("SELECT convert_from(body, 'UTF8') AS body FROM record")
    expect(JSON.stringify([bodies, world.logged])).not.toContain(password)
    await world.as('mia').call('revokeGrant', { params: { id }, body: {} })
    await ended
    await until(async () => (await state(id)) === 'ended')
    expect(await thereIs(user)).toBe(false)
  })

  it('does not begin, and leaves nothing, where the target is away while the role is made', async () => {
    line.down()
    const id = await window()
    await until(async () => (await world.as('ana').call('getRequest', { params: { id } })).state === 'voided')
    expect(await state(id)).toBe('ending')
    line.restore()
    await until(async () => (await state(id)) === 'ended')
  })

  it('is removed as soon as a target is back that was away when the grant ended', async () => {
    const id = await window()
    await until(async () => (await state(id)) === 'active')
    const role = grantRole(tag, ((await grant(id))?.id ?? '') as GrantId)
    expect(await thereIs(role)).toBe(true)
    line.down()
    await world.as('ana').call('releaseGrant', { params: { id } })
    await until(async () => (await world.as('sam').call('listLeftovers', {})).removing.some((one) => one.role === role))
    expect(await state(id)).toBe('ending')
    expect(await thereIs(role)).toBe(true)
    line.restore()
    await until(async () => (await state(id)) === 'ended')
    expect(await thereIs(role)).toBe(false)
  })

  it('removes what is ours and has no grant, whatever the store knows of it', async () => {
    // As after a restore: the store has never heard of this grant.
    const role = grantRole(tag, 'G-99999' as GrantId)
    more.push(role)
    const standing = new pg.Client({
      ...world.target.target,
      user: standingRole(shop.resource),
      password: shop.target.password,
    })
    await standing.connect()
    await standing.query(`CREATE ROLE ${role}; GRANT ${shop.groups.schema} TO ${role}`)
    await standing.query(`COMMENT ON ROLE ${role} IS '${roleTag(tag, 'G-99999')}: made before'`)
    await standing.end()
    await world.target.query(`SET ROLE ${role}; CREATE TABLE left_behind (id int)`)
    await look()
    await until(async () => !(await thereIs(role)))
    expect(
      await world.target.query("SELECT relowner::regrole::text AS owner FROM pg_class WHERE relname = 'left_behind'"),
    ).toEqual([{ owner: heirRole(shop.resource) }])
  })

  it('shows what is not ours, and touches it when somebody says so', async () => {
    const mark = tag.slice(0, 6)
    const [foreign, member, adopted] = [`hp_x_${mark}`, `w_${mark}`, `hp_y_${mark}`]
    more.push(foreign, member, adopted)
    const standing = standingRole(shop.resource)
    await world.target.query(
      `CREATE ROLE ${foreign} LOGIN; CREATE ROLE ${member}; GRANT ${shop.groups.write} TO ${member}; CREATE ROLE ${adopted};
       GRANT ${adopted}, ${foreign} TO ${standing} WITH ADMIN OPTION`,
    )
    await look()
    const sam = world.as('sam')
    const listed = async () =>
      (await sam.call('listLeftovers', {})).items.filter((one) => more.includes(one.role)).map((one) => one.role)
    await until(async () => (await listed()).length === 3)
    await expect(world.as('mia').call('listLeftovers', {})).rejects.toMatchObject({ problem: { status: 403 } })
    for (const name of [foreign, member, adopted]) expect(await thereIs(name)).toBe(true)
    const of = (role: string) => ({ params: { name: shop.resource, role } })
    await sam.call('ignoreLeftover', { ...of(member), body: { reason: 'the nightly import' } })
    await sam.call('revokeLeftover', { ...of(foreign), body: { reason: 'nobody knows it' } })
    expect(await thereIs(foreign)).toBe(false)
    await sam.call('adoptLeftover', { ...of(adopted), body: { reason: 'until the import is done', for: '1s' } })
    await until(async () => !(await thereIs(adopted)))
    await look()
    await until(async () => (await listed()).length === 1)
    expect((await sam.call('listLeftovers', {})).items.find((one) => one.role === member)).toMatchObject({
      ignored: { by: 'sam', reason: 'the nightly import' },
      groups: [shop.groups.write],
    })
    expect(await thereIs(member)).toBe(true)
    // An administrator of the target gave it that. From 16 on nobody else can take it back.
    const taken = await sam.call('revokeLeftover', { ...of(member), body: { reason: 'nobody knows it' } }).then(
      () => 'taken back',
      (error: unknown) => (error instanceof ApiProblem ? error.problem.detail : String(error)),
    )
    const byAnother = `the target refuses: ${member} was given ${shop.groups.write} by another, who has to take it back`
    expect(taken).toBe(Number(version) >= 16 ? byAnother : 'taken back')
    expect(await thereIs(member)).toBe(true)
  })
})

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let left = 300; !(await condition()); left--) {
    if (left === 0) throw new Error('it never came to be')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
