import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RoleSpec, TargetRoles } from '../../src/app/ports/target-roles.ts'
import { installationTag } from '../../src/app/roles/plan-role.ts'
import { roleTag } from '../../src/domain/profile/role-names.ts'
import type { Millis } from '../../src/domain/time.ts'
import type { NamedVerb } from '../../src/domain/verb.ts'
import { noRoles } from '../support/no-roles.ts'
import { approve, connectClient, DOCUMENTS, refusal, requestsWorld, until, value } from '../support/requests-world.ts'
import type { RequestsWorld } from '../support/requests-world.ts'

/** A target in memory, whose roles outlive every process. */
class Target implements TargetRoles {
  readonly there = new Map<string, RoleSpec>()
  made = 0
  /** Called when a role stands, before anybody is told. */
  afterMade: (spec: RoleSpec) => Promise<void> | void = () => undefined
  beforeMade: () => Promise<void> | void = () => undefined
  removable = true
  make: TargetRoles['make'] = async (_, spec) => {
    await this.beforeMade()
    this.made++
    this.there.set(spec.name, spec)
    await this.afterMade(spec)
    return { ok: true }
  }
  remove: TargetRoles['remove'] = async (_, { name, tag }) => {
    if (!this.removable) throw new Error('connection refused')
    const found = this.there.get(name)
    if (found !== undefined && tag !== undefined && !found.comment.startsWith(tag)) return { kind: 'not_ours' }
    this.there.delete(name)
    return { kind: 'gone', handedOver: [] }
  }
  inventory: TargetRoles['inventory'] = async () =>
    [...this.there.values()].map(({ name, comment, until: end, groups }) => ({
      name,
      comment,
      until: end,
      groups,
      canLogin: false,
      sessions: 0,
    }))
  lend: TargetRoles['lend'] = (...given) => noRoles.lend(...given)
  open: TargetRoles['open'] = (...given) => noRoles.open(...given)
  shut: TargetRoles['shut'] = (...given) => noRoles.shut(...given)
  prolong: TargetRoles['prolong'] = async (_, name, end) => {
    const spec = this.there.get(name)
    if (spec !== undefined) this.there.set(name, { ...spec, until: end })
  }
  expel: TargetRoles['expel'] = (...given) => noRoles.expel(...given)
  close: TargetRoles['close'] = (...given) => noRoles.close(...given)
}

let world: RequestsWorld
let target: Target
beforeEach(async () => {
  world = await requestsWorld()
  world.change({ documents: DOCUMENTS.replace('env: prod\nclass', 'env: prod\naccess: ephemeral\nclass') })
  target = new Target()
})
afterEach(async () => {
  await world.close()
  expect([...target.there.keys()]).toEqual([])
})

const HOUR = 3_600_000 as Millis
const window = async (verbs: readonly NamedVerb[] = ['write']) => {
  const asked = await world.app.requestWindow(world.caller('ana'), { resource: 'shop-db', verbs, length: HOUR })
  return value(await approve(world, 'mia', value(asked)))
}
const grantOf = async (id: string) => (await world.store.requests.grantsOf([id as never]))[0]
const stateOf = async (id: string) => (await world.store.requests.findRequest(id as never))?.state

describe('the role of a grant', () => {
  it('is made once the grant is recorded, and gone before it has ended', async () => {
    const { request } = await window()
    expect(await grantOf(request.id)).toMatchObject({ state: 'provisioning' })
    await Promise.all([world.startProcess(target), world.startProcess(target)])
    await until(async () => (await grantOf(request.id))?.state === 'active')
    expect(target.made).toBe(1)
    const grant = await grantOf(request.id)
    const [spec] = target.there.values()
    expect(spec).toMatchObject({
      name: grant?.role,
      comment: expect.stringMatching(new RegExp(`^holdpoint [0-9a-f]{16} ${grant?.id}: `)),
      groups: ['holdpoint_shop_db_connect', 'holdpoint_shop_db_read', 'holdpoint_shop_db_write'],
      until: grant?.expiresAt,
    })
    target.removable = false
    value(await world.app.releaseGrant(world.caller('ana'), request.id))
    await until(async () => (await grantOf(request.id))?.state === 'ending')
    target.removable = true
    await until(async () => (await grantOf(request.id))?.state === 'ended')
    expect([...target.there.keys()]).toEqual([])
    expect(await world.kinds(`grant/${grant?.id}`)).toEqual([
      'grant.provisioning',
      'role.made',
      'grant.active',
      'grant.ending',
      'role.gone',
      'grant.ended',
    ])
  })

  it('moves its end with the grant', async () => {
    await world.startProcess(target)
    const { request } = await window()
    await until(async () => (await grantOf(request.id))?.state === 'active')
    const longer = await world.app.extendGrant(world.caller('ana'), request.id, { length: (HOUR / 2) as Millis })
    await approve(world, 'mia', value(longer))
    const { expiresAt } = (await grantOf(request.id)) ?? {}
    await until(async () => [...target.there.values()][0]?.until === expiresAt)
    value(await world.app.releaseGrant(world.caller('ana'), request.id))
    await until(async () => (await grantOf(request.id))?.state === 'ended')
  })

  it('that could not be made voids the approval: nothing starts, and what was made is removed', async () => {
    const process = await world.startProcess(target)
    // It stands, and the answer is lost on the way.
    target.afterMade = () => Promise.reject(new Error('Connection terminated unexpectedly'))
    const client = await connectClient(world, process, 'ana')
    const input = client.input('DELETE FROM carts')
    const held = await process.gateway.hold(input)
    const outcome = process.gateway.outcome(held.request, new AbortController().signal)
    const pending = await world.app.getRequest(world.caller('mia'), held.request)
    await approve(world, 'mia', value(pending))
    expect(await outcome).toEqual({ kind: 'failed', why: 'the target could not be asked (failure)' })
    expect(await process.gateway.start(held.request, { session: client.session, digest: input.digest })).toMatchObject({
      kind: 'voided',
    })
    await until(async () => (await grantOf(held.request))?.state === 'ended')
    expect(target.made).toBe(1)
  })

  it('that a dead process was making is given up, and what it made is removed', async () => {
    const { request } = await window()
    const [claimed] = await world.store.roles.claimRoles((await grantOf(request.id))?.startsAt ?? (0 as never), 10)
    if (claimed === undefined) throw new Error('nothing was to be made')
    // The process made it, and died before it could say so.
    const comment = `${roleTag(await installationTag(world.store), claimed.grant ?? '')}: made`
    const nothing = { groups: [], tables: [], grants: '', heir: '', until: claimed.until }
    target.there.set(claimed.name, { ...nothing, name: claimed.name, comment })
    await world.startProcess(target)
    await world.query('UPDATE target_role SET claimed_at = claimed_at - 60000')
    await until(async () => (await grantOf(request.id))?.state === 'ended')
    expect(await stateOf(request.id)).toBe('voided')
    // Nobody makes it again.
    expect(target.made).toBe(0)
    expect(target.there.has(claimed.name)).toBe(false)
  })

  it('that is made after it was given up does not stay', async () => {
    const slow = Promise.withResolvers<void>()
    target.beforeMade = () => slow.promise
    await world.startProcess(target)
    const { request } = await window()
    await until(async () => {
      const [row] = await world.query<{ claimed: boolean }>('SELECT claimed_at IS NOT NULL AS claimed FROM target_role')
      return row?.claimed === true
    })
    value(await world.app.revokeGrant(world.caller('mia'), request.id, {}))
    await until(async () => (await grantOf(request.id))?.state === 'ended')
    slow.resolve()
    await until(async () => target.made === 1 && target.there.size === 0)
  })

  it('is found by its tag when the store knows nothing of it', async () => {
    await world.startProcess(target)
    const { request } = await window()
    await until(async () => (await grantOf(request.id))?.state === 'active')
    const [spec] = target.there.values()
    if (spec === undefined) throw new Error('no role was made')
    const grant = await grantOf(request.id)
    value(await world.app.releaseGrant(world.caller('ana'), request.id))
    await until(async () => (await grantOf(request.id))?.state === 'ended')
    // A process that was paused wakes up and makes it again.
    target.there.set(spec.name, spec)
    // Two that are not ours: another installation's, and one with our tag under another name.
    const theirs = { ...spec, name: 'hp_g_1_ffffff', comment: 'holdpoint ffffffffffffffff G-1: theirs' }
    target.there.set(theirs.name, theirs)
    target.there.set('somebody', { ...spec, name: 'somebody' })
    await world.query('UPDATE inventory SET begun_at = 0')
    await until(async () => (await world.store.roles.leftovers()).length === 2)
    await until(async () => !target.there.has(spec.name))
    expect((await world.store.roles.leftovers()).map((one) => one.found.name)).toEqual(['hp_g_1_ffffff', 'somebody'])
    expect([...target.there.keys()]).toEqual(['hp_g_1_ffffff', 'somebody'])
    expect(await world.kinds(`grant/${grant?.id}`)).toContain('leftover.removed')
    target.there.clear()
  })

  it('is never asked for where no role is given such a verb', async () => {
    expect(
      refusal(
        await world.app.requestWindow(world.caller('ana'), { resource: 'shop-db', verbs: ['admin'], length: HOUR }),
      ),
    ).toBe('not_permitted')
    expect(
      refusal(
        await world.app.requestWindow(world.caller('ana'), {
          resource: 'shop-db',
          verbs: ['write'],
          length: HOUR,
          credential: true,
        }),
      ),
    ).toBe('not_permitted')
  })
})
