import { describe, expect, it } from 'vitest'
import type { PrincipalId, TeamName } from '../ids.ts'
import type { ReviewerPool } from '../policy/decision.ts'
import type { Team } from '../profile/profile.ts'
import type { OpenRequirement } from './request.ts'
import { poolWords, requirementWords, whyUnanswerable } from './requirement-words.ts'

const names: Readonly<Record<string, string>> = { ana: 'Ana', mia: 'Mia' }
const nameOf = (id: string) => names[id] ?? id

it.each([
  ['team:payments', 1, '1 of team payments'],
  ['team:payments', 2, '2 of team payments'],
  ['role:admin', 1, '1 of role admin'],
  ['user:mia', 1, 'Mia'],
  ['sponsor:ana', 1, 'Ana (sponsor)'],
  ['nobody:owners', 1, '1 of the owners'],
  ['nobody:owners:data', 1, '1 of the owners of layer data'],
  ['nobody:team:security', 1, '1 of team security'],
  ['nobody:sponsor', 1, 'the sponsor'],
  ['nobody:user:mia', 1, 'Mia'],
])('%s × %i in words', (key, count, words) => {
  expect(requirementWords({ key, count }, nameOf)).toBe(words)
})

it('no words show a raw key', () => {
  for (const key of [
    'team:a',
    'role:admin',
    'user:a',
    'sponsor:a',
    'nobody:team:a',
    'nobody:owners:x',
    'nobody:owners',
  ])
    expect(poolWords(key)).not.toContain(':')
})

describe('why nobody can answer', () => {
  const teams = new Map(
    [
      { name: 'empty', members: [] },
      { name: 'audits', members: ['olu'] },
    ].map((team) => [team.name as TeamName, team as unknown as Team]),
  )
  const needed = (pool: ReviewerPool, eligible: readonly string[], count = 1): OpenRequirement => ({
    key: pool.kind === 'team' ? `team:${pool.team}` : `${pool.kind}:x`,
    pool,
    count,
    distinct: true,
    rules: [],
    eligible: eligible as readonly PrincipalId[],
  })
  const team = (name: string): ReviewerPool => ({ kind: 'team', team: name as TeamName })
  const nobody = (security: string): ReviewerPool => ({
    kind: 'nobody',
    wanted: 'owners',
    security: security as TeamName,
  })

  it.each([
    [
      [needed(nobody('security'), [])],
      'nobody can answer: no team security exists; an administrator names one with hp apply',
    ],
    [
      [needed(nobody('empty'), [])],
      'nobody can answer: team empty has no members; an administrator names some with hp apply',
    ],
    [
      [needed(team('audits'), [])],
      'nobody can answer: none of team audits may; an administrator adds people with hp apply',
    ],
    [[needed(team('payments'), ['mia'], 2)], 'too few can answer: 2 of team payments are needed, and only Mia may'],
    [[needed(team('a'), ['mia']), needed(team('b'), ['mia'])], 'too few can answer: Mia cannot fill every place'],
    [[needed(team('a'), ['mia']), needed(team('b'), ['mia', 'ana'])], undefined],
  ])('%#', (requirements, words) => {
    expect(whyUnanswerable(requirements, { teams }, nameOf)).toBe(words)
  })
})
