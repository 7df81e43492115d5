import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RequestView } from '../../src/app/app.ts'
import type { Result } from '../../src/app/result.ts'
import type { SessionId } from '../../src/domain/ids.ts'
import type { Millis } from '../../src/domain/time.ts'
import { approve, connectClient, DOCUMENTS, refusal, requestsWorld, value } from '../support/requests-world.ts'
import type { Process, RequestsWorld } from '../support/requests-world.ts'

/*
 * The access table, cell by cell, for what is about requests. A column is a person and their standing to one request:
 * Mia was asked, Dev owns the resource and was not asked, Sam administers, Olu audits, ci is a machine and Bot an
 * agent, Lee a user, and none of the three has anything to do with it.
 */
const COLUMNS = ['ana', 'mia', 'dev', 'sam', 'olu', 'ci', 'bot', 'lee'] as const
type Column = (typeof COLUMNS)[number]
type Row = Readonly<Record<Column, string>>

const ROWS: Readonly<Record<string, Row>> = {
  'create a request': {
    ana: 'ok',
    mia: 'ok',
    dev: 'ok',
    sam: 'ok',
    olu: 'not_permitted',
    ci: 'ok',
    bot: 'ok',
    lee: 'ok',
  },
  'read a request': {
    ana: 'all',
    mia: 'all',
    dev: 'all',
    sam: 'metadata',
    olu: 'all',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  approve: {
    ana: 'self_review',
    mia: 'ok',
    dev: 'not_eligible',
    sam: 'not_eligible',
    olu: 'not_eligible',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  deny: {
    ana: 'self_review',
    mia: 'ok',
    dev: 'not_eligible',
    sam: 'not_eligible',
    olu: 'not_eligible',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  withdraw: {
    ana: 'ok',
    mia: 'not_permitted',
    dev: 'ok',
    sam: 'not_permitted',
    olu: 'not_permitted',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  'use a grant': {
    ana: 'covered',
    mia: 'held',
    dev: 'held',
    sam: 'held',
    olu: 'held',
    ci: 'held',
    bot: 'held',
    lee: 'held',
  },
  'be done with a grant': {
    ana: 'ok',
    mia: 'not_permitted',
    dev: 'not_permitted',
    sam: 'not_permitted',
    olu: 'not_permitted',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  extend: {
    ana: 'ok',
    mia: 'not_permitted',
    dev: 'not_permitted',
    sam: 'not_permitted',
    olu: 'not_permitted',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  'revoke early': {
    ana: 'ok',
    mia: 'ok',
    dev: 'ok',
    sam: 'ok',
    olu: 'not_permitted',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  'cut a session': {
    ana: 'ok',
    mia: 'ok',
    dev: 'ok',
    sam: 'ok',
    olu: 'not_permitted',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
  'see a session': {
    ana: 'seen',
    mia: 'unseen',
    dev: 'seen',
    sam: 'seen',
    olu: 'seen',
    ci: 'unseen',
    bot: 'unseen',
    lee: 'unseen',
  },
  'read recordings': {
    ana: 'not_permitted',
    mia: 'ok',
    dev: 'ok',
    sam: 'not_permitted',
    olu: 'ok',
    ci: 'not_found',
    bot: 'not_found',
    lee: 'not_found',
  },
}

/** Dev's team owns it and other people review: the two columns must not be one. */
const SEPARATE = `${DOCUMENTS.replace('members: [mia, ana]', 'members: [dev]').replace(
  'reviews: [{from: owners}], timeout',
  'reviews: [{from: "team:reviewers"}], timeout',
)}---
kind: Team
name: reviewers
members: [mia]
`

let world: RequestsWorld
let process: Process
beforeAll(async () => {
  world = await requestsWorld()
  world.change({ documents: SEPARATE })
  process = await world.startProcess()
})
afterAll(() => world.close())

const window = async (who: string) =>
  world.app.requestWindow(world.caller(who), { resource: 'shop-db', verbs: ['write'], length: 600_000 as Millis })
const pending = async (who = 'ana') => value(await window(who)).request
const granted = async (): Promise<RequestView> => value(await approve(world, 'mia', value(await window('ana'))))
/** Ana's session, in which something was held that Mia was asked about. */
const session = async (): Promise<SessionId> => {
  const client = await connectClient(world, process, 'ana')
  await process.gateway.hold(client.input('DELETE FROM carts', ['delete']))
  return client.session
}
const answer = async (result: Promise<Result<unknown>>): Promise<string> => refusal(await result)

const CELLS: Readonly<Record<string, (who: Column) => Promise<string>>> = {
  'create a request': (who) => answer(window(who)),
  'read a request': async (who) => {
    const seen = await world.app.getRequest(world.caller(who), (await pending()).id)
    return seen.ok ? (seen.value.metadataOnly === true ? 'metadata' : 'all') : seen.refusal
  },
  approve: async (who) => {
    const { id, digest } = await pending()
    return answer(world.app.review(world.caller(who), id, { verdict: 'approve', digest }))
  },
  deny: async (who) => {
    const { id, digest } = await pending()
    return answer(world.app.review(world.caller(who), id, { verdict: 'deny', digest, words: 'no' }))
  },
  withdraw: async (who) => answer(world.app.withdrawRequest(world.caller(who), (await pending()).id)),
  'use a grant': async (who) => {
    const view = await granted()
    const client = await connectClient(world, process, who)
    const opened = await process.gateway.hold(client.input('DELETE FROM carts'))
    value(await world.app.releaseGrant(world.caller('ana'), view.request.id))
    return opened.kind
  },
  'be done with a grant': async (who) =>
    answer(world.app.releaseGrant(world.caller(who), (await granted()).request.id)),
  extend: async (who) =>
    answer(world.app.extendGrant(world.caller(who), (await granted()).request.id, { length: 600_000 as Millis })),
  'revoke early': async (who) => answer(world.app.revokeGrant(world.caller(who), (await granted()).request.id, {})),
  'cut a session': async (who) => answer(world.app.cutSession(world.caller(who), await session())),
  'see a session': async (who) => {
    const id = await session()
    const list = value(await world.app.listSessions(world.caller(who), { limit: 200 }))
    return list.items.some((s) => s.id === id) ? 'seen' : 'unseen'
  },
  'read recordings': async (who) => answer(world.app.listStatements(world.caller(who), await session(), {})),
}

describe('the access table', () => {
  it('has a test for each of its rows', () => {
    expect(Object.keys(CELLS)).toEqual(Object.keys(ROWS))
  })
  for (const [row, expected] of Object.entries(ROWS))
    for (const who of COLUMNS)
      it(`${row}: ${who} ${expected[who]}`, async () => {
        expect(await CELLS[row]?.(who)).toBe(expected[who])
      })

  it('lets a machine and an agent read, withdraw and end what is their own', async () => {
    for (const who of ['ci', 'bot']) {
      const mine = await pending(who)
      expect(await answer(world.app.getRequest(world.caller(who), mine.id))).toBe('ok')
      expect(await answer(world.app.withdrawRequest(world.caller(who), mine.id))).toBe('ok')
      const view = value(await window(who))
      if (who === 'bot') value(await approve(world, 'ana', view))
      value(await approve(world, 'mia', view))
      expect(await answer(world.app.revokeGrant(world.caller(who), view.request.id, {}))).toBe('ok')
    }
  })

  it('lets a sponsor read, withdraw and revoke what its agent asked for', async () => {
    expect(await answer(world.app.getRequest(world.caller('ana'), (await pending('bot')).id))).toBe('ok')
    expect(await answer(world.app.withdrawRequest(world.caller('ana'), (await pending('bot')).id))).toBe('ok')
  })

  it('answers what may not be seen exactly like what is not there', async () => {
    const hidden = await world.app.getRequest(world.caller('lee'), (await pending()).id)
    expect(hidden).toEqual(await world.app.getRequest(world.caller('lee'), 'HP-999999'))
    expect(hidden).toEqual(await world.app.getRequest(world.caller('lee'), "HP-1'; DROP TABLE review --"))
  })

  it('shows in each list what its reader may see, and tells whoever may act what they may do', async () => {
    for (const who of COLUMNS) {
      const list = value(await world.app.listRequests(world.caller(who), { limit: 200 }))
      for (const view of list.items) {
        const one = await world.app.getRequest(world.caller(who), view.request.id)
        expect(one.ok).toBe(true)
        const mayDecide = view.may.approve === true
        const asked = view.request.requirements.some((r) => r.eligible.includes(world.caller(who).principal.id))
        expect(mayDecide && !asked).toBe(false)
      }
      const inbox = value(await world.app.inbox(world.caller(who)))
      expect(inbox.needsMe.every((v) => v.request.requester !== who && v.may.deny === true)).toBe(true)
      expect(inbox.waiting.every((v) => v.request.requester === who)).toBe(true)
    }
  })
})

describe('a page cursor', () => {
  it('goes on where the page ended, and is good for its own query and reader only', async () => {
    const first = value(await world.app.listRequests(world.caller('ana'), { limit: 2 }))
    const cursor = first.next ?? ''
    const second = value(await world.app.listRequests(world.caller('ana'), { limit: 2, cursor }))
    const numbers = [...first.items, ...second.items].map((v) => Number(v.request.id.slice(3)))
    expect(numbers).toEqual(numbers.toSorted((a, b) => b - a))
    expect(new Set(numbers).size).toBe(4)
    const tried = [
      world.app.listRequests(world.caller('mia'), { limit: 2, cursor }),
      world.app.listRequests(world.caller('ana'), { limit: 2, cursor, state: 'pending' }),
      world.app.listSessions(world.caller('ana'), { limit: 2, cursor }),
      world.app.listRequests(world.caller('ana'), { limit: 2, cursor: cursor.replace(/^./, '9') }),
      world.app.listRequests(world.caller('ana'), { limit: 2, cursor: '' }),
      world.app.listRequests(world.caller('ana'), { limit: 2, cursor: `${cursor}0` }),
      world.app.listRequests(world.caller('ana'), { limit: 0 }),
      world.app.listRequests(world.caller('ana'), { limit: Number.NaN }),
    ]
    for (const result of await Promise.all(tried)) expect(refusal<unknown>(result)).toBe('invalid_input')
  })
})
