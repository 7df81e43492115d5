import { describe, expect, it } from 'vitest'
import { verifyLedger } from '../../verify/holdpoint-verify.mjs'
import type { VerifyOptions } from '../../verify/holdpoint-verify.mjs'
import type { Entry } from '../../src/domain/ledger/entry.ts'
import { makeCopy, oneRequest, signer, sourceOf, START } from '../support/ledger-copy.ts'
import type { Told } from '../support/ledger-copy.ts'

/** Everything here is signed and in the tree: what is wrong is what was done. */
const log = signer('holdpoint/5e8f')
const verify = (told: readonly Told[], options: VerifyOptions = {}) =>
  verifyLedger(sourceOf(makeCopy(log, told).files), { keys: [log.verifier], ...options })

/** After one good request: 0 session, 1 opened, 2 review, 3 approved, 4 grant, 5 started, 6 done, 7 ending, 8 ended, 9 closed. */
const [good, other] = [oneRequest(1), oneRequest(2)]
const wrongAt = (index: number, message: RegExp | string) =>
  expect.objectContaining({ index: 10 + index, message: expect.stringMatching(message) as string })

/** The second request with one entry changed. */
const changed = (at: number, change: (entry: Entry) => Partial<Entry>, later = 0): readonly Told[] => [
  ...good,
  ...other.map((one, i) => (i === at ? { entry: { ...one.entry, ...change(one.entry) }, at: one.at + later } : one)),
]
const withBody = (at: number, body: Record<string, unknown>) => changed(at, (e) => ({ body: { ...e.body, ...body } }))
const without = (...gone: readonly number[]): readonly Told[] => [...good, ...other.filter((_, i) => !gone.includes(i))]
const inOrder = (...order: readonly number[]): readonly Told[] => [...good, ...order.flatMap((i) => other[i] ?? [])]
/** The requirements of the second request, with other people asked. */
const asked = (requirements: readonly object[], actor = 'mia', sponsor?: string): readonly Told[] => [
  ...good,
  ...other.map((one, i) => {
    const body = { ...one.entry.body, requirements, ...(sponsor === undefined ? {} : { sponsor }) }
    if (i === 1) return { ...one, entry: { ...one.entry, body } }
    if (i === 2) return { ...one, entry: { ...one.entry, actor } }
    return i === 3 ? { ...one, entry: { ...one.entry, actor, body: { ...one.entry.body, by: [actor] } } } : one
  }),
]
const team = (eligible: readonly string[], count = 1, distinct = true) => ({
  key: 'team:payments',
  count,
  distinct,
  eligible,
})

describe('nobody approved their own request', () => {
  it('not by a review', () =>
    expect(verify(changed(2, () => ({ actor: 'ana' })))).rejects.toThrow(
      wrongAt(2, 'ana reviewed their own request HP-2'),
    ))
  it('not without one', () =>
    expect(verify(withBody(3, { by: ['ana'] }))).rejects.toThrow(wrongAt(3, 'ana approved their own request HP-2')))
  it('not in another name', () =>
    expect(verify(changed(1, () => ({ actor: 'mia' })))).rejects.toThrow(wrongAt(1, 'HP-2 of ana was opened by mia')))
  it('not through an agent, save where exactly the sponsor was asked for', async () => {
    await expect(verify(asked([team(['mia'])], 'mia', 'mia'))).rejects.toThrow(
      wrongAt(2, 'a request of their own agent'),
    )
    const sponsor = { key: 'sponsor:mia', count: 1, distinct: true, eligible: ['mia'] }
    await expect(verify(asked([sponsor], 'mia', 'mia'))).resolves.toBeDefined()
  })
  it('not by applying a change', () => {
    const applied = {
      entry: {
        kind: 'revision.applied',
        subject: 'revision',
        body: { revision: 4, request: 'HP-2', approvedBy: ['ana'] },
      },
      at: START,
    }
    return expect(verify([...good, ...other.slice(0, 4), applied])).rejects.toThrow(wrongAt(4, 'approved their own'))
  })
})

describe('who approved was asked, and there were enough of them', () => {
  it.each([
    ['by somebody else', asked([team(['dev'])]), 2, 'without being among those who were asked'],
    ['by one where two are needed', asked([team(['dev', 'mia'], 2)]), 3, 'not all that the policy asked for'],
    ['by one on two places', asked([team(['mia']), { ...team(['mia']), key: 'team:dba' }]), 3, 'not all'],
    ['by nobody', without(2), 2, 'approved by mia, of whom there is no review'],
    ['with a denial', withBody(2, { verdict: 'deny' }), 3, 'approved by nobody'],
    [
      'by two where one is missing',
      withBody(3, { by: ['mia', 'dev'] }),
      3,
      'approved by dev, of whom there is no review',
    ],
    ['for another digest', withBody(2, { digest: 'ff' }), 2, 'another digest'],
    ['twice by the same', inOrder(0, 1, 2, 2, 3), 3, 'mia reviewed HP-2 twice'],
    ['after its time was up', changed(2, () => ({}), 4_000_000), 2, 'after its time was up'],
  ])('not %s', (_, told, index, message) => expect(verify(told)).rejects.toThrow(wrongAt(index, message)))

  it('may fill places side by side where they need not be different people', () =>
    expect(
      verify(asked([team(['mia'], 1, false), { ...team(['mia'], 1, false), key: 'team:dba' }])),
    ).resolves.toBeDefined())
})

describe('a decision stands before its effect', () => {
  it.each([
    ['a review of what nobody opened', without(1), 1, 'a review of HP-2, which nobody opened'],
    ['an approval after the run', inOrder(0, 1, 2, 5, 3, 4), 3, 'HP-2 ran before it was approved'],
    ['a grant before the approval', inOrder(0, 1, 2, 4, 3, 5), 3, 'G-2 came before the approval of HP-2'],
    ['a run without a grant', without(4), 4, 'HP-2 ran without a live grant'],
    ['a run after the grant ended', inOrder(0, 1, 2, 3, 4, 7, 8, 5), 7, 'HP-2 ran without a live grant'],
    ['a run after the time of the grant', changed(5, () => ({}), 900_000), 5, 'HP-2 ran after its time was up'],
    ['two runs', inOrder(0, 1, 2, 3, 4, 5, 5), 6, 'HP-2 ran twice'],
    ['a run of something else', withBody(5, { digest: 'ff' }), 5, 'not what was approved'],
    ['an end of what never ran', without(5), 5, 'HP-2 succeeded, and was not running'],
    ['a grant for somebody else', withBody(4, { principal: 'dev' }), 4, 'G-2 is for dev'],
    ['a grant for another digest', withBody(4, { digest: 'ff' }), 4, 'for another digest'],
    [
      'a longer grant that nobody approved',
      changed(5, (e) => ({ kind: 'grant.extended', body: { ...other[4]?.entry.body, ...e.body } })),
      5,
      'nobody approved that',
    ],
    ['an approval after a denial', changed(3, () => ({ kind: 'request.denied' })), 3, 'denied by nobody'],
    ['a session that was never opened', without(0), 8, 'S-2 was closed and never opened'],
    ['a request that was opened twice', inOrder(0, 1, 1), 2, 'HP-2 was opened before'],
    [
      'a request that was withdrawn after it ran',
      [
        ...good,
        ...other,
        { entry: { kind: 'request.voided', subject: 'request/HP-2', body: other[1]?.entry.body ?? {} }, at: START },
      ],
      10,
      'HP-2 was voided after it was succeeded',
    ],
    [
      'statements of a session nobody opened',
      [
        ...good,
        {
          entry: { kind: 'segment.written', subject: 'session/S-9', body: { session: 'S-9', first: 1, last: 2 } },
          at: START,
        },
      ],
      0,
      'before the decision that opened it',
    ],
    [
      'a change before its approval',
      [
        ...good,
        ...other.slice(0, 3),
        { entry: { kind: 'revision.applied', subject: 'revision', body: { revision: 4, request: 'HP-2' } }, at: START },
      ],
      3,
      'before HP-2 was approved',
    ],
  ])('not %s', (_, told, index, message) => expect(verify(told)).rejects.toThrow(wrongAt(index, message)))

  it.each(['request.denied', 'request.withdrawn', 'request.expired', 'request.voided'])(
    'nothing runs after %s',
    (kind) => {
      const review = other[2]
      const settled = { entry: { kind, subject: 'request/HP-2', body: other[1]?.entry.body ?? {} }, at: START }
      const denied = review && {
        ...review,
        entry: { ...review.entry, body: { ...review.entry.body, verdict: 'deny' } },
      }
      const before =
        kind === 'request.denied' && denied !== undefined ? [...other.slice(0, 2), denied] : other.slice(0, 2)
      const told = [...good, ...before, settled, ...other.slice(5)]
      return expect(verify(told)).rejects.toThrow(wrongAt(before.length + 1, 'HP-2 ran before it was approved'))
    },
  )
})

/** One more entry of the second request, in the place of `at`. */
const with_ = (at: number, ...more: readonly Pick<Entry, 'kind' | 'body' | 'actor'>[]): readonly Told[] => [
  ...good,
  ...other.slice(0, at),
  ...more.map((one) => ({ entry: { subject: 'request/HP-2', ...one }, at: other[at]?.at ?? START })),
  ...other.slice(at),
]
const review = (actor: string, body: Record<string, unknown> = {}) => ({
  kind: 'review.given',
  actor,
  body: { ...other[2]?.entry.body, ...body },
})
const handedOn = (to: string, until = START + 900_000) => ({
  kind: 'request.handed_on',
  actor: 'mia',
  body: { request: 'HP-2', for: 'mia', to, until },
})
const escalated = (to: string, requirement = 'team:payments') => ({
  kind: 'request.escalated',
  body: { request: 'HP-2', requirement, to: [to] },
})
/** Approved by Lee, of whom the rules said nothing when it was opened. */
const byLee = (body: Record<string, unknown>, ...before: readonly Pick<Entry, 'kind' | 'body' | 'actor'>[]) => [
  ...with_(2, ...before, review('lee', body)).slice(0, 13 + before.length),
  ...other
    .slice(3)
    .map((one, i) => (i === 0 ? { ...one, entry: { ...one.entry, body: { ...one.entry.body, by: ['lee'] } } } : one)),
]

describe('others may answer', () => {
  it('after an escalation by rule', () => expect(verify(byLee({}, escalated('lee')))).resolves.toBeDefined())
  it('in the place of somebody who handed it on', () =>
    expect(verify(byLee({ for: 'mia' }, handedOn('lee')))).resolves.toBeDefined())
  it.each([
    ['without either', byLee({}), 2, 'without being among those who were asked'],
    ['in a place that nobody gave them', byLee({ for: 'mia' }), 2, 'who had not handed it on'],
    [
      'in a place that was given to somebody else',
      byLee({ for: 'mia' }, handedOn('sam')),
      3,
      'who had not handed it on',
    ],
    ['after it was theirs', byLee({ for: 'mia' }, handedOn('lee', START)), 3, 'who had not handed it on'],
    ['beside whose place it is', with_(2, handedOn('lee'), review('lee', { for: 'mia' })), 4, 'in the same place'],
    ['who asked', with_(2, escalated('ana')), 2, 'escalated to ana, who asked'],
    ['who asked, by handing on', with_(2, handedOn('ana')), 2, 'handed on to ana, who asked'],
    ['for what nobody asked', with_(2, escalated('lee', 'team:dba')), 2, 'which it does not need'],
    ['when somebody else hands it on', with_(2, { ...handedOn('lee'), actor: 'ana' }), 2, "that was mia's"],
    ['after it was decided', with_(4, escalated('lee')), 4, 'did not wait'],
  ])('not %s', (_, told, index, message) => expect(verify(told)).rejects.toThrow(wrongAt(index, message)))
})

describe('a role on the target', () => {
  const role = (verb: string) => ({ kind: `role.${verb}`, body: { grant: 'G-2', role: 'hp_g2' } })
  const made = with_(5, role('made'))
  const provisioning = { kind: 'grant.provisioning', body: other[4]?.entry.body ?? {} }
  it('is made for a live grant, used while it lives, and seen gone before the grant has ended', async () => {
    const told = with_(4, provisioning, role('made'))
    const end = told.length - 2
    await expect(
      verify([
        ...told.slice(0, end),
        { entry: { subject: 'grant/G-2', ...role('gone') }, at: START },
        ...told.slice(end),
      ]),
    ).resolves.toBeDefined()
  })
  it.each([
    ['made before its grant', with_(4, role('made')), 4, 'hp_g2 was made without a live grant'],
    ['made after its grant ended', with_(9, role('made')), 9, 'hp_g2 was made without a live grant'],
    ['used after its grant ended', with_(9, role('given')), 9, 'hp_g2 was used without a live grant'],
    ['used before it was made', with_(5, role('signed_in')), 5, 'hp_g2 was used without a live grant'],
    ['left behind', made, 9, 'G-2 ended while its role was there'],
    ['of a grant that was made twice', with_(4, provisioning, provisioning), 5, 'G-2 was made twice'],
  ])('is never %s', (_, told, index, message) => expect(verify(told)).rejects.toThrow(wrongAt(index, message)))
})

describe('every grant ended, or is still within its time', () => {
  const end = START + 20_000 + 603_000
  it('while it lives', () =>
    expect(verify(without(7, 8), { now: end })).resolves.toMatchObject({ grants: { ended: 1, live: 1 } }))
  it('and not longer', () =>
    expect(verify(without(7, 8), { now: end + 61_000 })).rejects.toThrow(
      wrongAt(4, 'G-2 has not ended: its time was up at'),
    ))
  it('and its removal was confirmed', () =>
    expect(verify(without(8), { now: end })).rejects.toThrow(wrongAt(4, 'G-2 has not ended: its end was ordered at')))
  it('by the newest entry when no time is given', async () => {
    await expect(verify(without(7, 8))).resolves.toBeDefined()
    await expect(verify([...without(7, 8), ...oneRequest(3, end + 61_000)])).rejects.toThrow(
      wrongAt(4, 'has not ended'),
    )
  })
})
