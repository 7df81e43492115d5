import type { RequestStore } from '../../../src/app/ports/requests.ts'
import { requestId } from '../../../src/domain/ids.ts'
import type { PrincipalId, RequestId } from '../../../src/domain/ids.ts'
import type { AccessRequest, Review } from '../../../src/domain/request/request.ts'
import { Refused } from './database.ts'
import type { Tables, Transaction } from './database.ts'
import { checkReview, keepRequest, step } from './rules.ts'

/** Runs one statement in whatever transaction there is. */
export type Run = <T>(what: string, work: (tx: Transaction) => T | Promise<T>) => Promise<T>

const numberOf = (id: string): number => Number(id.slice(id.indexOf('-') + 1))
/** By number, as the rows are asked for. */
const ordered = <T extends string>(ids: readonly T[]): readonly T[] => ids.toSorted((a, b) => numberOf(a) - numberOf(b))
const byReview = (a: Review, b: Review): number => a.at - b.at || (a.by < b.by ? -1 : 1)

/** See store/requests.ts. */
export function requestRows(run: Run) {
  const pending = (tx: Transaction, which: (row: Tables['request']) => boolean): readonly RequestId[] =>
    tx.all('request').flatMap((row) => (row.request.state === 'pending' && which(row) ? [row.request.id] : []))
  return {
    nextRequest: () => run('nextRequest', (tx) => requestId(tx.database.next('request'))),
    insertRequest: (request, basis) =>
      run('insertRequest', async (tx) => {
        step('request', 'new', request.state)
        if (request.expiresAt <= request.openedAt) throw new Refused('a request ends after it begins', '23514')
        if (!/^[0-9a-f]{64}$/.test(request.digest)) throw new Refused('no digest', '23514')
        const asked = [...new Set(request.requirements.flatMap((one) => one.eligible))]
        const row = { request: { ...request, reviews: [] }, basis, asked, checked: request.revision }
        if (!(await tx.insert('request', request.id, row))) throw new Refused(`${request.id} is there`, '23505')
      }),
    findRequest: (id) => run('findRequest', (tx) => tx.get('request', id)?.request),
    lockRequest: (id) => run('lockRequest', async (tx) => (await tx.lock('request', id, 'update'))?.request),
    basisOf: (id) => run('basisOf', (tx) => tx.get('request', id)?.basis),
    async moveRequest(request) {
      for (const review of request.reviews) await run('insertReview', (tx) => insertReview(tx, request.id, review))
      if (request.state === 'pending') return
      await run('moveRequest', (tx) =>
        tx.update('request', request.id, (row) => {
          keepRequest(row.request)
          step('request', row.request.state, request.state)
          return { ...row, request: ended(row.request, request) }
        }),
      )
    },
    listRequests: (query) =>
      run('listRequests', (tx) => {
        const part = query.sight.kind === 'part' ? query.sight : undefined
        const found = tx.all('request').filter(({ request: r, asked }) => {
          const mine =
            part === undefined ||
            r.requester === part.of ||
            r.sponsor === part.of ||
            asked.includes(part.of) ||
            part.owned.includes(r.resource)
          return (
            mine &&
            (query.before === undefined || numberOf(r.id) < query.before) &&
            (query.state === undefined || r.state === query.state) &&
            (query.resource === undefined || r.resource === query.resource) &&
            (query.requester === undefined || r.requester === query.requester) &&
            (query.asked === undefined || asked.includes(query.asked))
          )
        })
        return found
          .map((row) => row.request)
          .sort((a, b) => numberOf(b.id) - numberOf(a.id))
          .slice(0, query.limit)
      }),
    pendingOfSession: (session) =>
      run('pendingOfSession', (tx) => ordered(pending(tx, (row) => row.request.session === session))),
    pendingExtensionsOf: (grant) =>
      run('pendingExtensionsOf', (tx) =>
        ordered(pending(tx, ({ request: { subject } }) => subject.kind === 'extension' && subject.grant === grant)),
      ),
    pendingOfPrincipal: (principal) =>
      run('pendingOfPrincipal', (tx) => ordered(pending(tx, (row) => row.request.requester === principal))),
    duePending: (now, limit) =>
      run('duePending', (tx) =>
        tx
          .all('request')
          .filter(({ request }) => request.state === 'pending' && request.expiresAt <= now)
          .sort((a, b) => a.request.expiresAt - b.request.expiresAt || numberOf(a.request.id) - numberOf(b.request.id))
          .map((row) => row.request.id)
          .slice(0, limit),
      ),
    staleRequests: (revision, limit) =>
      run('staleRequests', (tx) => ordered(pending(tx, (row) => row.checked < revision)).slice(0, limit)),
    noteRequestChecked: (id, revision) =>
      run('noteRequestChecked', async (tx) => {
        await tx.update('request', id, (row) => {
          if (row.checked >= revision) return undefined
          keepRequest(row.request)
          return { ...row, checked: revision }
        })
      }),
    changersSince: (since) =>
      run('changersSince', (tx) => {
        const changes = tx.all('request').filter(({ request }) => request.subject.kind === 'change')
        const opened = changes.flatMap(({ request: r }) => (r.openedAt >= since ? [r.requester] : []))
        const agreed = changes.flatMap(({ request: r }) =>
          r.reviews.flatMap((one) => (one.verdict === 'approve' && one.at >= since ? [one.by] : [])),
        )
        return [...new Set<PrincipalId>([...opened, ...agreed])]
      }),
    activePrincipals: () =>
      run('activePrincipals', (tx) => [
        ...new Set<PrincipalId>([
          ...tx.all('session').flatMap(({ session }) => (session.state === 'open' ? [session.principal] : [])),
          ...tx
            .all('grant')
            .flatMap(({ grant }) =>
              grant.state === 'provisioning' || grant.state === 'active' ? [grant.principal] : [],
            ),
          ...tx.all('request').flatMap(({ request }) => (request.state === 'pending' ? [request.requester] : [])),
        ]),
      ]),
    wasAsked: (session, person) =>
      run('wasAsked', (tx) =>
        tx.all('request').some((row) => row.request.session === session && row.asked.includes(person)),
      ),

    insertReviewAfterwards: (request, owed) =>
      run('insertReviewAfterwards', async (tx) => {
        await tx.refers('request', request)
        await tx.insert('afterwards', request, owed)
      }),
    reviewsAfterwards: (requests) =>
      requests.length === 0
        ? Promise.resolve(new Map())
        : run(
            'reviewsAfterwards',
            (tx) =>
              new Map(
                requests.flatMap((id) => {
                  const owed = tx.get('afterwards', id)
                  return owed === undefined ? [] : [[id, owed] as const]
                }),
              ),
          ),
    acknowledge: (request, by, words, now) =>
      run('acknowledge', (tx) =>
        tx.update('afterwards', request, (owed) => {
          if (owed.acknowledged !== undefined) return undefined
          if (tx.get('request', request)?.request.requester === by) throw new Refused('nobody acknowledges their own')
          if (!owed.asked.includes(by)) throw new Refused(`${by} was not asked`, '23514')
          return { ...owed, acknowledged: { by, words, at: now } }
        }),
      ),
  } satisfies Partial<RequestStore>
}

/** One that is there already is the same one. */
async function insertReview(tx: Transaction, id: RequestId, review: Review): Promise<void> {
  if (tx.get('request', id)?.request.reviews.some((one) => one.by === review.by) === true) return
  const row = await tx.lock('request', id, 'update')
  if (row === undefined) throw new Refused(`there is no ${id}`, 'P0002')
  if (row.request.reviews.some((one) => one.by === review.by)) throw new Refused('given before', '23505')
  checkReview(row.request, row.asked, review)
  const reviews = [...row.request.reviews, review].sort(byReview)
  await tx.update('request', id, (now) => ({ ...now, request: { ...now.request, reviews } }))
}

/** What the state adds, over what never changes. */
function ended(before: AccessRequest, after: AccessRequest): AccessRequest {
  const { reviews, ...rest } = before
  const common = { ...rest, reviews }
  for (const key of ['grant', 'by', 'words', 'why', 'at']) Reflect.deleteProperty(common, key)
  switch (after.state) {
    case 'pending':
      return before
    case 'approved':
      return { ...common, state: 'approved', grant: after.grant, at: after.at }
    case 'denied':
      return { ...common, state: 'denied', by: after.by, words: after.words, at: after.at }
    case 'withdrawn':
    case 'voided':
      return { ...common, state: after.state, why: after.why, at: after.at }
    case 'expired':
      return { ...common, state: 'expired', at: after.at }
    default:
      return after satisfies never
  }
}
