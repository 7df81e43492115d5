import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ephemeralTarget, hasPsql } from '../support/ephemeral-target.ts'
import type { EphemeralTarget } from '../support/ephemeral-target.ts'
import { fleet } from '../support/fleet.ts'
import type { Fleet, Replica } from '../support/fleet.ts'
import { RULES } from '../support/installation.ts'

/*
 * A real server is killed at each point between an approval and its role, and between the end of a grant and the end
 * of its role. It is started again, and looked at past it: a grant that is active has its role, one that has ended has none.
 */

const FAILPOINTS = path.join(tmpdir(), `holdpoint-roles-failpoint-${process.pid}`)
if (!hasPsql) process.stderr.write('crash/roles.test.ts: skipped, there is no psql on this machine\n')

describe.runIf(hasPsql)('killed between a grant and its role', () => {
  let world: Fleet
  let server: Replica
  let shop: EphemeralTarget
  beforeAll(async () => {
    world = await fleet({ replicas: [[]], env: { HOLDPOINT_FAILPOINTS: FAILPOINTS } })
    const [only] = world.replicas
    if (only === undefined) throw new Error('no server')
    server = only
    shop = await ephemeralTarget(world.target)
    const sam = world.as('sam', server)
    await sam.call('setSecret', { params: { name: shop.resource }, body: { value: shop.target.password ?? '' } })
    const owners = '[{layer: service, team: payments, decides: [connect, read, write, delete]}]'
    const resource = `kind: Resource
name: ${shop.resource}
connect: ${shop.connect}
credential: {from: secret, name: ${shop.resource}}
access: ephemeral
env: prod
classification: internal
owners: ${owners}
`
    const texts = [RULES.replace('scope: once', 'scope: window'), resource]
    const files = texts.map((text, i) => ({ path: `roles-${i}.yaml`, text }))
    await sam.call('applyDocuments', { body: { files, prune: false } })
  }, 120_000)
  afterAll(async () => {
    await rm(FAILPOINTS, { force: true })
    // Before its target goes: the server holds connections to it.
    server.signal('SIGKILL')
    await server.ended()
    await shop.close()
    await world[Symbol.asyncDispose]()
  }, 60_000)
  const roles = async () =>
    (
      await world.target.query<{ name: string }>(
        `SELECT m.member::regrole::text AS name FROM pg_auth_members m WHERE m.roleid = $1::regrole`,
        [shop.groups.write],
      )
    )
      .map((row) => row.name)
      .filter((name) => name.startsWith('hp_g_'))
  const ask = async (): Promise<string> => {
    const body = { resource: shop.resource, verbs: ['write' as const], for: '10m' }
    return (await world.as('ana', server).call('requestWindow', { body })).id
  }
  const approve = async (id: string): Promise<void> => {
    const mia = world.as('mia', server)
    const { digest } = await mia.call('getRequest', { params: { id } })
    await mia.call('review', { params: { id }, body: { verdict: 'approve', digest } }).catch(() => undefined)
  }
  const seen = async (id: string) => (await world.as('ana', server).call('getRequest', { params: { id } })).grant
  const state = async (id: string) => (await seen(id))?.state
  const died = async (point: string): Promise<void> => {
    await until(async () => !existsSync(FAILPOINTS), `${point} is never reached`)
    await server.ended()
    // Nobody has to wait here until the dead one is given up.
    await world.store.query("UPDATE target_role SET claimed_at = claimed_at - 60000 WHERE state = 'wanted'")
    await server.start()
  }

  it.each(['roles.make:before', 'roles.make:after', 'commit role.made:before'])(
    'at %s nothing has begun, and no role stays',
    { timeout: 90_000 },
    async (point) => {
      const id = await ask()
      await writeFile(FAILPOINTS, point)
      await approve(id)
      await died(point)
      await until(async () => (await state(id)) === 'ended', `${point}: the grant does not end`)
      expect((await world.as('ana', server).call('getRequest', { params: { id } })).state).toBe('voided')
      expect(await roles()).toEqual([])
    },
  )

  it('at commit role.made:after the grant has begun, and has its role', { timeout: 90_000 }, async () => {
    const id = await ask()
    await writeFile(FAILPOINTS, 'commit role.made:after')
    await approve(id)
    await died('commit role.made:after')
    expect(await roles()).toEqual([(await seen(id))?.role])
    expect(await state(id)).toBe('active')
    await world.as('ana', server).call('releaseGrant', { params: { id } })
    await until(async () => (await state(id)) === 'ended', 'the grant does not end')
    expect(await roles()).toEqual([])
  })

  it.each(['roles.remove:before', 'roles.remove:after', 'commit role.gone:before'])(
    'at %s the grant has not ended before its role is gone',
    { timeout: 90_000 },
    async (point) => {
      const id = await ask()
      await approve(id)
      await until(async () => (await state(id)) === 'active', 'the role is not made')
      expect(await roles()).toHaveLength(1)
      await writeFile(FAILPOINTS, point)
      await world
        .as('ana', server)
        .call('releaseGrant', { params: { id } })
        .catch(() => undefined)
      await died(point)
      await until(async () => (await state(id)) === 'ended', `${point}: the grant does not end`)
      expect(await roles()).toEqual([])
    },
  )
})

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  for (const end = performance.now() + 30_000; ;) {
    if (await holds().catch(() => false)) return
    if (performance.now() > end) throw new Error(otherwise)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
