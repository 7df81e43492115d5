import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ACCESS, PARTIES } from '../src/contract/access.ts'
import type { AccessRow, Cell, Party } from '../src/contract/access.ts'
import type { PrincipalId, RequestId } from '../src/domain/ids.ts'
import { routes } from '../src/contract/routes.ts'
import type { HttpWorld, Name } from './support/http-world.ts'
import { httpWorld } from './support/http-world.ts'

/*
 * The access table, cell by cell, over HTTP, with real people, policy and store. `mine` is a thing that is the
 * party's own, or assigned to it; `foreign` one that is not its business.
 */

const WHO: Readonly<Record<Party, Name>> = {
  requester: 'ana',
  reviewer: 'dev',
  owner: 'mia',
  policy_admin: 'sam',
  auditor: 'olu',
  machine: 'ci',
  agent: 'bot',
}
type Relation = 'mine' | 'foreign'
/** What a cell turns out to be for one thing. */
type Seen = 'yes' | 'second' | 'metadata' | 'no'

let world: HttpWorld
beforeAll(async () => {
  world = await httpWorld()
})
afterAll(() => world.close())

interface Json {
  readonly [field: string]: unknown
}
async function send(
  who: Name | undefined,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await world.http.send(method, path, {
    ...(who === undefined ? {} : { token: world.token[who] }),
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  expect(response.status).not.toBe(500)
  return { status: response.status, json: text === '' ? {} : (JSON.parse(text) as Json) }
}
const seen = ({ status, json }: { readonly status: number; readonly json: Json }): Seen => {
  if (status === 403 || status === 404) return 'no'
  expect({ status, code: json['code'] }).toEqual({ status: expect.toBeOneOf([200, 201, 204]), code: undefined })
  if (json['kind'] === 'held') return 'second'
  return (json['subject'] as Json | undefined)?.['kind'] === 'hidden' ? 'metadata' : 'yes'
}

interface Asked {
  readonly id: string
  readonly digest: string
}
async function ask(who: Name, resource: string): Promise<Asked> {
  const { status, json } = await send(who, 'POST', '/v1/requests', { resource, verbs: ['write'], for: '10m' })
  expect({ status, json }).toMatchObject({ status: 201 })
  return json as unknown as Asked
}
const approve = (who: Name, { id, digest }: Asked) =>
  send(who, 'POST', `/v1/requests/${id}/reviews`, { verdict: 'approve', digest })
const asksFor: Readonly<Record<Party, Name>> = {
  ...WHO,
  reviewer: 'ana',
  owner: 'ana',
  policy_admin: 'ana',
  auditor: 'ana',
}

/** A pending request: the party's own where it asks, otherwise Ana's, which Dev and Mia are asked about. */
const pending = (party: Party, relation: Relation): Promise<Asked> =>
  relation === 'mine' ? ask(asksFor[party], 'shop-db') : ask('nora', 'other-db')
async function granted(party: Party, relation: Relation): Promise<Asked> {
  const asked = await pending(party, relation)
  for (const who of relation === 'mine' ? (['mia', 'dev'] as const) : (['lee'] as const))
    expect((await approve(who, asked)).status).toBe(201)
  return asked
}

let number = 0
const fresh = (prefix: string): string => `${prefix}-${(number += 1)}`

type Probe = (who: Name, party: Party, relation: Relation) => Promise<Seen>
const PROBES: Readonly<Record<AccessRow, Probe>> = {
  async create_request(who) {
    const asked = await send(who, 'POST', '/v1/requests', { resource: 'shop-db', verbs: ['write'], for: '10m' })
    if (asked.status === 201) expect(asked.json['requester']).toBe(who)
    // In nobody else's name, whoever asks.
    const forged = await send(who, 'POST', '/v1/requests', {
      resource: 'shop-db',
      verbs: ['write'],
      for: '10m',
      requester: 'nora',
    })
    expect(forged.status).toBe(403)
    return seen(asked)
  },
  async read_request(who, party, relation) {
    const { id } = await pending(party, relation)
    const one = seen(await send(who, 'GET', `/v1/requests/${id}`))
    const { json } = await send(who, 'GET', '/v1/requests')
    const listed = (json['items'] as readonly Json[]).find((item) => item['id'] === id)
    expect(listed === undefined ? 'no' : seen({ status: 200, json: listed })).toBe(one)
    return one
  },
  approve: async (who, party, relation) => seen(await approve(who, await pending(party, relation))),
  async deny(who, party, relation) {
    const { id, digest } = await pending(party, relation)
    return seen(await send(who, 'POST', `/v1/requests/${id}/reviews`, { verdict: 'deny', digest, words: 'not today' }))
  },
  async acknowledge(who, party, relation) {
    const { id } = await granted(party, relation)
    const asked = (relation === 'mine' ? ['mia', 'dev'] : ['lee']) as unknown as readonly PrincipalId[]
    const owed = { why: [{ kind: 'unknown' as const }], asked, dueAt: Date.now() + 60_000 }
    await world.ground.open.store.transaction((tx) => tx.requests.insertReviewAfterwards(id as RequestId, owed))
    return seen(await send(who, 'POST', `/v1/requests/${id}/acknowledge`, { words: 'seen, and as it should be' }))
  },
  withdraw: async (who, party, relation) =>
    seen(await send(who, 'POST', `/v1/requests/${(await pending(party, relation)).id}/withdraw`)),
  use_grant: async (who, party, relation) =>
    seen(await send(who, 'POST', `/v1/requests/${(await granted(party, relation)).id}/done`)),
  async revoke_early(who, party, relation) {
    const { id } = await granted(party, relation)
    const revoked = seen(await send(who, 'POST', `/v1/requests/${id}/revoke`, {}))
    // An administrator ends what they may not read.
    return revoked === 'metadata' ? 'yes' : revoked
  },
  async edit_documents(who) {
    const text = `kind: Team\nname: ${fresh('team')}\nmembers: [nora]\n`
    return seen(await send(who, 'POST', '/v1/documents/apply', { files: [{ path: 'team.yaml', text }] }))
  },
  async read_record(who, party, relation) {
    const { id } = await pending(party, relation)
    // Entries are shown in the order of commits, so a moment after older transactions have ended.
    const { recorded } = world.ground.open.store
    await expect
      .poll(async () => (await recorded.after(undefined, 1, { subject: `request/${id}` })).length, { timeout: 10_000 })
      .toBe(1)
    const read = await send(who, 'GET', `/v1/record?subject=request/${id}`)
    return seen(read) === 'yes' && (read.json['items'] as readonly unknown[]).length > 0 ? 'yes' : 'no'
  },
  async erase_bodies(who) {
    // There is no such entry: what is asked is whether they may.
    return seen(await send(who, 'POST', '/v1/ledger/erasures', { indexes: [999_999], words: 'a test' }))
  },
  async read_sessions(who, party, relation) {
    const whose = relation === 'foreign' ? 'nora' : party === 'reviewer' ? 'dev' : asksFor[party]
    const { session } = await world.session(whose, relation === 'mine' ? 'shop-db' : 'other-db')
    const { json } = await send(who, 'GET', '/v1/sessions?limit=200')
    return (json['items'] as readonly Json[]).some((item) => item['id'] === session) ? 'yes' : 'no'
  },
  async read_recordings(who, party, relation) {
    // Nora has no window there, so that her statement is held and Dev and Mia are asked about it.
    const whose = party === 'reviewer' || party === 'owner' || relation === 'foreign' ? 'nora' : asksFor[party]
    const { session } = await world.session(whose, relation === 'mine' ? 'shop-db' : 'other-db')
    return seen(await send(who, 'GET', `/v1/sessions/${session}/statements`))
  },
  async read_catalogue(who) {
    for (const path of [
      '/v1/people',
      '/v1/resources',
      '/v1/resources/shop-db',
      '/v1/teams',
      '/v1/documents',
      '/v1/revisions',
    ]) {
      expect({ path, ...(await send(who, 'GET', path)) }).toMatchObject({ path, status: 200 })
    }
    return 'yes'
  },
  explain: async (who, _, relation) =>
    seen(
      await send(who, 'POST', '/v1/explain', { as: relation === 'mine' ? who : 'nora', on: 'shop-db', verb: 'write' }),
    ),
  async own_account(who, _, relation) {
    const { json } = await send(who, 'GET', '/v1/tokens')
    const owners = new Set((json['items'] as readonly Json[]).map((token) => token['principal']))
    return relation === 'mine'
      ? owners.has(who)
        ? 'yes'
        : 'no'
      : [...owners].some((owner) => owner !== who)
        ? 'yes'
        : 'no'
  },
  async hand_on(who) {
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const made = seen(await send(who, 'POST', '/v1/delegations', { to: 'nora', until }))
    if (made === 'yes') expect((await send(who, 'DELETE', '/v1/delegations')).status).toBe(204)
    return made
  },
  async manage_accounts(who) {
    const made = seen(await send(who, 'POST', '/v1/people', { name: fresh('person'), kind: 'service' }))
    const sealed = seen(await send(who, 'PUT', `/v1/secrets/${fresh('secret')}`, { value: 's' }))
    const promoted = seen(await send(who, 'PATCH', '/v1/people/nora', { displayName: 'Nora' }))
    const listed = seen(await send(who, 'GET', '/v1/secrets'))
    const later = seen(await send(who, 'GET', '/v1/jobs'))
    const told = seen(await send(who, 'GET', '/v1/webhooks'))
    expect([made, promoted, listed, later, told]).toEqual([sealed, sealed, sealed, sealed, sealed])
    return sealed
  },
  async set_state(who, party, relation) {
    const { id } = await pending(party, relation)
    const answer = await send(who, 'PATCH', `/v1/requests/${id}`, { status: 'approved' })
    expect((await send('olu', 'GET', `/v1/requests/${id}`)).json['state']).toBe('pending')
    return seen(answer)
  },
  anyone: async () => seen(await send(undefined, 'GET', '/v1/info')),
}

/** What a cell promises for each relation. */
const promised = (cell: Cell, relation: Relation): Seen =>
  cell === 'own' ? (relation === 'mine' ? 'yes' : 'no') : cell
/** Rows about nothing in particular: there is no foreign one. */
const WITHOUT_FOREIGN: ReadonlySet<AccessRow> = new Set([
  'create_request',
  'edit_documents',
  'read_catalogue',
  'manage_accounts',
  'hand_on',
  'erase_bodies',
  'anyone',
])

const cells = (Object.keys(ACCESS) as AccessRow[]).flatMap((row) =>
  PARTIES.flatMap((party) =>
    (['mine', 'foreign'] as const)
      .filter((relation) => relation === 'mine' || !WITHOUT_FOREIGN.has(row))
      .map((relation) => [row, party, relation, promised(ACCESS[row][party], relation)] as const),
  ),
)

describe('the access table', () => {
  it.each(cells)('%s by %s, %s: %s', async (row, party, relation, expected) => {
    expect(await PROBES[row](WHO[party], party, relation)).toBe(expected)
  })

  it('is recorded wherever it says no', async () => {
    await world.ground.flush()
    for (const name of Object.values(WHO)) {
      const { json } = await send('olu', 'GET', `/v1/record?subject=access/${name}&limit=200`)
      const kinds = new Set((json['items'] as readonly Json[]).map((entry) => entry['kind']))
      expect({ name, kinds: [...kinds] }).toEqual({ name, kinds: ['access.refused'] })
    }
  })
})

it('every operation but the open ones answers 401 without a token, with a wrong one, and with one for a gateway 403', async () => {
  const { json } = await send('ana', 'POST', '/v1/tokens', { kind: 'gateway' })
  for (const [id, route] of Object.entries(routes)) {
    if (!('scopes' in route)) continue
    const path = route.path.replaceAll(/\{[a-z]+\}/g, 'HP-1')
    const given = route.method === 'GET' ? {} : { body: {} }
    for (const token of ['', 'hp_wrong', 'x'.repeat(300)]) {
      const response = await world.http.send(route.method, path, { token, ...given })
      expect({ id, status: response.status }).toEqual({ id, status: 401 })
    }
    const response = await world.http.send(route.method, path, { token: String(json['text']), ...given })
    expect({ id, narrow: response.status === 403 || route.scopes.length === 0 }).toEqual({ id, narrow: true })
  }
})
