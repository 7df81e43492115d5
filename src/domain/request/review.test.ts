import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, Revision, TeamName } from '../ids.ts'
import type { Principal } from '../principal.ts'
import type { Requirement } from '../policy/decision.ts'
import { instant, millis } from '../time.ts'
import { expire, voidRequest, withdraw } from './close.ts'
import { eligible, openRequirements } from './eligibility.ts'
import type { Staff } from './eligibility.ts'
import { seat } from './quorum.ts'
import { review } from './review.ts'
import type { AccessRequest, Review } from './request.ts'

/** Everybody there is in a small world: an agent with its sponsor, a machine, an auditor, somebody disabled. */
const NAMES = ['ana', 'mia', 'dev', 'sam', 'bot', 'ci', 'olu', 'gone'] as const
const id = (name: string) => name as PrincipalId
const person = (name: string, more: Partial<Principal> = {}): Principal => ({
  id: id(name),
  kind: 'user',
  displayName: name,
  roles: [],
  disabled: false,
  ...more,
})
const PEOPLE = new Map(
  [
    person('ana'),
    person('mia'),
    person('dev'),
    person('sam', { roles: ['admin'] }),
    person('bot', { kind: 'agent', sponsor: id('ana') }),
    person('ci', { kind: 'service' }),
    person('olu', { roles: ['auditor'] }),
    person('gone', { disabled: true }),
  ].map((p) => [p.id, p]),
)
const names = fc.subarray([...NAMES], { minLength: 0 })
const staffs = fc.record({ a: names, b: names }).map(({ a, b }): Staff => ({
  people: PEOPLE,
  teams: new Map([
    ['a' as TeamName, { name: 'a' as TeamName, members: a.map(id) }],
    ['b' as TeamName, { name: 'b' as TeamName, members: b.map(id) }],
  ]),
}))
const requirement = (key: string, pool: Requirement['pool']) =>
  fc.record({
    key: fc.constant(key),
    pool: fc.constant(pool),
    rules: fc.constant([]),
    count: fc.integer({ min: 0, max: 3 }),
    distinct: fc.boolean(),
  })
const requirements = fc
  .tuple(
    requirement('team:a', { kind: 'team', team: 'a' as TeamName }),
    requirement('team:b', { kind: 'team', team: 'b' as TeamName }),
    requirement('user:dev', { kind: 'user', user: id('dev') }),
    requirement('sponsor:ana', { kind: 'sponsor', user: id('ana') }),
    requirement('role:admin', { kind: 'role', role: 'admin' }),
  )
  .chain((all) => fc.subarray(all, { maxLength: 3 }))

/** I3 said once more, slowly and by name. */
function allowed(name: string, r: Requirement, requester: string, staff: Staff): boolean {
  if (['bot', 'ci', 'olu', 'gone'].includes(name) || name === requester) return false
  const sponsor = requester === 'bot' ? 'ana' : undefined
  if (r.key === 'sponsor:ana') return name === 'ana' && sponsor === 'ana'
  if (name === sponsor) return false
  if (r.key === 'role:admin') return name === 'sam'
  if (r.key === 'user:dev') return name === 'dev'
  return staff.teams.get(r.key.slice(5) as TeamName)?.members.includes(id(name)) ?? false
}

/** Tries every way to seat people on places. Exponential, and plainly right. */
function canSeat(places: readonly (readonly string[])[], taken: readonly string[] = []): boolean {
  const [first, ...rest] = places
  if (first === undefined) return true
  return first.some((name) => !taken.includes(name) && canSeat(rest, [...taken, name]))
}
function enough(all: readonly { readonly r: Requirement; readonly approvers: readonly string[] }[]): boolean {
  const beside = all
    .filter(({ r }) => !r.distinct)
    .every(({ r, approvers }) => approvers.length >= Math.max(1, r.count))
  const places = all
    .filter(({ r }) => r.distinct)
    .flatMap(({ r, approvers }) => Array.from({ length: Math.max(1, r.count) }, () => approvers))
  return all.length > 0 && beside && canSeat(places)
}

/** Called where the history branches. */
const same = (actual: unknown, expected: unknown): void => expect(actual).toBe(expected)

const DIGEST = 'd'.repeat(64) as Digest
const EXPIRES = 100
const open = (requester: string, needed: readonly Requirement[], staff: Staff): AccessRequest => {
  const asking = { requester: id(requester), ...(requester === 'bot' ? { sponsor: id('ana') } : {}) }
  return {
    id: 'HP-1' as RequestId,
    ...asking,
    resource: 'shop-db' as ResourceName,
    verbs: ['write'],
    subject: { kind: 'window', verbs: ['write'], length: millis(1000) },
    digest: DIGEST,
    cause: 'rule',
    rules: [],
    failures: [],
    requirements: openRequirements(needed, asking, staff),
    recording: 'standard',
    scope: 'window',
    // Policy would give more than was asked for.
    grantAtMost: millis(2000),
    revision: 1 as Revision,
    openedAt: instant(0),
    expiresAt: instant(EXPIRES),
    reviews: [],
    state: 'pending',
  }
}

const steps = fc.array(
  fc.tuple(
    fc.constantFrom(0, 1, 10, 25, 49, 50),
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          do: fc.constant('review' as const),
          by: fc.constantFrom(...NAMES),
          verdict: fc.constantFrom('approve' as const, 'approve' as const, 'approve' as const, 'deny' as const),
          digest: fc.constantFrom(DIGEST, DIGEST, DIGEST, 'e'.repeat(64) as Digest),
          words: fc.constantFrom('no', ' ', 'never'),
          atMost: fc.constantFrom(500, 1000, 1001, 2000, 0, -1, Number.NaN),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom('withdraw' as const, 'expire' as const, 'void' as const) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('teams' as const), staff: staffs }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('meddle' as const), who: fc.constantFrom(...NAMES) }) },
    ),
  ),
  { maxLength: 12 },
)

describe('a request over whole histories', () => {
  it('agrees with the rules restated slowly over the history', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('ana', 'bot', 'mia', 'ci'),
        requirements,
        staffs,
        steps,
        (requester, needed, first, history) => {
          let request = open(requester, needed, first)
          let staff = first
          const meddlers = new Set<PrincipalId>()
          let now = 0
          // The oracle's own state: the list of reviews that counted as given, and what ended it.
          const given: { readonly by: string; readonly verdict: string }[] = []
          let ended: AccessRequest['state'] | undefined

          for (const [later, step] of history) {
            now += later
            if (step.do === 'teams') staff = step.staff
            else if (step.do === 'meddle') meddlers.add(id(step.who))
            else if (step.do !== 'review') {
              const move = {
                withdraw: () => withdraw(request, 'why', instant(now)),
                expire: () => expire(request, instant(now)),
                void: () => voidRequest(request, 'why', instant(now)),
              }[step.do]()
              const may =
                step.do === 'void'
                  ? ended === undefined || ended === 'approved'
                  : ended === undefined && (step.do === 'withdraw' || now >= EXPIRES)
              same(move.ok, may)
              if (move.ok) {
                request = move.value
                ended = request.state
              }
            } else {
              const one: Review = {
                by: id(step.by),
                verdict: step.verdict,
                digest: step.digest,
                at: instant(now),
                ...(step.words === undefined ? {} : { words: step.words }),
                ...(step.verdict === 'deny' ? {} : { atMost: millis(step.atMost ?? 1000) }),
              }
              const answer = review(request, one, { staff, meddlers, now: instant(now), grant: 'G-1' as GrantId })

              const counts = (name: string, r: Requirement, verdict: string) =>
                allowed(name, r, requester, first) &&
                allowed(name, r, requester, staff) &&
                (verdict === 'deny' || !meddlers.has(id(name)))
              const may =
                ended === undefined &&
                now < EXPIRES &&
                step.digest === DIGEST &&
                !given.some((g) => g.by === step.by) &&
                needed.some((r) => counts(step.by, r, step.verdict)) &&
                (step.verdict === 'deny' ? step.words !== ' ' : [500, 1000].includes(step.atMost ?? 0))
              same(answer.ok, may)
              if (!answer.ok) continue
              given.push({ by: step.by, verdict: step.verdict })
              request = answer.value
              const approvers = given.filter((g) => g.verdict === 'approve').map((g) => g.by)
              if (step.verdict === 'deny') ended = 'denied'
              else if (enough(needed.map((r) => ({ r, approvers: approvers.filter((n) => counts(n, r, 'approve')) }))))
                ended = 'approved'
            }
            same(request.state, ended ?? 'pending')
          }
        },
      ),
      { numRuns: 3_000 },
    )
  })
})

describe('eligibility', () => {
  it('is exactly what I3 says, for everybody', () => {
    fc.assert(
      fc.property(fc.constantFrom('ana', 'bot', 'mia', 'ci'), requirements, staffs, (requester, needed, staff) => {
        const asking = { requester: id(requester), ...(requester === 'bot' ? { sponsor: id('ana') } : {}) }
        for (const r of needed)
          expect(eligible(r, asking, staff)).toEqual(NAMES.filter((n) => allowed(n, r, requester, staff)).toSorted())
      }),
    )
  })
})

describe('a quorum', () => {
  it('seats as an exhaustive search does, and nobody twice on distinct places', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ count: fc.integer({ min: 0, max: 3 }), distinct: fc.boolean(), eligible: names }), {
          maxLength: 4,
        }),
        fc.array(fc.constantFrom(...NAMES)),
        (all, approvers) => {
          const seats = all.map((r, n) => ({ ...r, key: String(n), eligible: r.eligible.map(id) }))
          const { filled, complete } = seat(seats, approvers.map(id))
          const unique = [...new Set<string>(approvers)]
          const expected = enough(
            seats.map((s) => ({
              r: { ...s, pool: { kind: 'team', team: 'x' as TeamName }, rules: [] },
              approvers: unique.filter((n) => s.eligible.includes(id(n))),
            })),
          )
          expect(complete).toBe(expected)
          const seated = seats.filter((s) => s.distinct).flatMap((s) => filled.get(s.key) ?? [])
          expect(new Set(seated).size).toBe(seated.length)
          for (const s of seats) {
            const here = filled.get(s.key) ?? []
            expect(new Set(here).size).toBe(here.length)
            expect(here.every((n) => s.eligible.includes(n) && unique.includes(n))).toBe(true)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('is never complete without requirements: nothing approves itself', () => {
    expect(seat([], [id('mia')]).complete).toBe(false)
  })
})
