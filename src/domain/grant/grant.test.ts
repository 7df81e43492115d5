import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, Revision, SessionId, TeamName } from '../ids.ts'
import { SCOPES } from '../policy/decision.ts'
import type { OpenRequirement } from '../request/request.ts'
import { instant, millis } from '../time.ts'
import type { Verb } from '../verb.ts'
import { cover } from './cover.ts'
import { END_REASONS } from './grant.ts'
import type { Grant } from './grant.ts'
import { activate, confirmEnded, end, extend } from './move.ts'

const PEOPLE = ['mia', 'dev', 'sam'] as const
const SHOP = 'shop-db' as ResourceName
const base: Grant = {
  id: 'G-1' as GrantId,
  request: 'HP-1' as RequestId,
  principal: 'ana' as PrincipalId,
  resource: SHOP,
  verbs: ['write'],
  scope: 'window',
  digest: 'd'.repeat(64) as Digest,
  met: [],
  revision: 1 as Revision,
  startsAt: instant(0),
  expiresAt: instant(100),
  state: 'provisioning',
}
/** Called where the history branches. */
const same = (actual: unknown, expected: unknown): void => expect(actual).toBe(expected)
const ORDER = ['provisioning', 'active', 'ending', 'ended']

describe('a grant over whole histories', () => {
  it('only moves forward, ends once, keeps its reason, and is longer only while it lives', () => {
    const steps = fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 40 }),
        fc.oneof(
          fc.constantFrom('activate' as const, 'confirm' as const),
          fc.constantFrom(...END_REASONS).map((why) => ({ why })),
          fc.record({ by: fc.integer({ min: 1, max: 200 }), atMost: fc.integer({ min: 1, max: 200 }) }),
        ),
      ),
    )
    fc.assert(
      fc.property(steps, (history) => {
        let grant: Grant = base
        let now = 0
        for (const [later, step] of history) {
          now += later
          const before: Grant = grant
          const moved: ReturnType<typeof end> =
            step === 'activate'
              ? activate(grant)
              : step === 'confirm'
                ? confirmEnded(grant, instant(now))
                : 'why' in step
                  ? end(grant, step.why, instant(now))
                  : extend(grant, millis(step.by), millis(step.atMost), instant(now))
          const at = ORDER.indexOf(before.state)
          const may =
            step === 'activate'
              ? at === 0
              : step === 'confirm'
                ? at === 2
                : 'why' in step
                  ? at < 2 && (step.why !== 'expired' || now >= before.expiresAt)
                  : at === 1 && now < before.expiresAt
          expect(moved.ok).toBe(may)
          if (!moved.ok) continue
          grant = moved.value
          const to = ORDER.indexOf(grant.state)
          if (typeof step === 'object' && 'by' in step) {
            same(to, at)
            same(grant.expiresAt, Math.max(before.expiresAt, Math.min(before.expiresAt + step.by, now + step.atMost)))
          } else {
            same(to, step === 'activate' ? 1 : step === 'confirm' ? 3 : 2)
            same(grant.expiresAt, before.expiresAt)
          }
          if (before.state === 'ending' && grant.state === 'ended') same(grant.why, before.why)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

const asGrant = (g: object & { readonly met: readonly { readonly key: string; readonly by: readonly string[] }[] }) =>
  ({ ...base, ...g, met: g.met.map(({ key, by }) => ({ key, by, count: by.length })) }) as unknown as Grant

describe('cover', () => {
  const verbs = fc.subarray<Verb>(['read', 'write', 'delete'], { minLength: 1 })
  const people = fc.subarray([...PEOPLE])
  const keys = ['team:a', 'team:b'] as const
  const grants = fc.array(
    fc
      .record({
        principal: fc.constantFrom('ana', 'bot'),
        resource: fc.constantFrom('shop-db', 'shop-db', 'other'),
        verbs,
        scope: fc.constantFrom(...SCOPES),
        session: fc.constantFrom('S-1', 'S-2'),
        met: fc.array(fc.record({ key: fc.constantFrom(...keys), by: people }), { maxLength: 2 }),
        startsAt: fc.constantFrom(0, 60),
        expiresAt: fc.constantFrom(50, 51, 100),
        state: fc.constantFrom('active', 'active', 'active', 'provisioning'),
      })
      .map(asGrant),
    { maxLength: 4 },
  )
  const needs = fc
    .tuple(
      ...keys.map((key) =>
        fc.record({ count: fc.integer({ min: 1, max: 2 }), distinct: fc.boolean(), verbs }).map(({ verbs, ...r }) => ({
          requirement: {
            ...r,
            key,
            pool: { kind: 'team', team: key.slice(5) as TeamName },
            rules: [],
            eligible: PEOPLE.map((p) => p as unknown as PrincipalId),
          } satisfies OpenRequirement,
          verbs,
        })),
      ),
    )
    .chain((all) => fc.subarray(all, { minLength: 1 }))

  it('meets what live grants of the same person met, whole or not at all, and no more than an exhaustive search would', () => {
    fc.assert(
      fc.property(needs, grants, fc.constantFrom(...SCOPES), (wanted, all, scope) => {
        const acting = {
          principal: 'ana' as PrincipalId,
          resource: SHOP,
          session: 'S-1' as SessionId,
          scope,
          now: instant(50),
        }
        const { remaining, grants: used } = cover(wanted, all, acting)

        // Restated: who could count for each key, through any grant that is live for this person, here, on these verbs.
        const live = all.filter(
          (g) =>
            g.state === 'active' &&
            g.principal === 'ana' &&
            g.resource === SHOP &&
            g.startsAt <= 50 &&
            50 < g.expiresAt &&
            ((g.scope === 'window' && scope === 'window') ||
              (g.scope === 'session' && scope !== 'once' && g.session === 'S-1')),
        )
        const through = (need: (typeof wanted)[number]) => [
          ...new Set(
            live
              .filter((g) => need.verbs.every((v) => g.verbs.includes(v)))
              .flatMap((g) => g.met.filter((m) => m.key === need.requirement.key).flatMap((m) => m.by ?? [])),
          ),
        ]
        const metNeeds = wanted.filter((n) => !remaining.some((r) => r.key === n.requirement.key))
        const places = metNeeds
          .filter((n) => n.requirement.distinct)
          .flatMap((n) => Array.from({ length: n.requirement.count }, () => through(n)))
        const seatable = (rest: readonly (readonly string[])[], taken: readonly string[] = []): boolean =>
          rest.length === 0 || (rest[0] ?? []).some((p) => !taken.includes(p) && seatable(rest.slice(1), [...taken, p]))
        expect(seatable(places)).toBe(true)
        for (const n of metNeeds) expect(through(n).length).toBeGreaterThanOrEqual(n.requirement.count)
        // What remains could not have been met beside what was.
        for (const r of remaining) {
          const need = wanted.find((n) => n.requirement.key === r.key)
          if (need === undefined) throw new Error('a need was invented')
          const also = need.requirement.distinct ? Array.from({ length: r.count }, () => through(need)) : []
          expect(through(need).length < r.count || !seatable([...places, ...also])).toBe(true)
        }
        expect(used.every((g) => live.includes(g))).toBe(true)
        expect(live.length > 0 || remaining.length === wanted.length).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })
})
