import type { Execution, RequestStore } from '../../../src/app/ports/requests.ts'
import type { Grant, GrantCommon } from '../../../src/domain/grant/grant.ts'
import type { GrantId } from '../../../src/domain/ids.ts'
import { Refused } from './database.ts'
import type { Tables, Transaction } from './database.ts'
import type { Run } from './requests.ts'
import { keepGrant, step } from './rules.ts'

const numberOf = (id: string): number => Number(id.slice(id.indexOf('-') + 1))
const byNumber = (a: Tables['grant'], b: Tables['grant']): number => numberOf(a.grant.id) - numberOf(b.grant.id)
const isOpen = ({ grant }: Tables['grant']): boolean => grant.state === 'provisioning' || grant.state === 'active'

/** See store/grants.ts. */
export function grantRows(run: Run) {
  const ids = (tx: Transaction, which: (row: Tables['grant']) => boolean): readonly GrantId[] =>
    tx
      .all('grant')
      .filter(which)
      .sort(byNumber)
      .map((row) => row.grant.id)
  return {
    nextGrant: () => run('nextGrant', (tx) => `G-${tx.database.next('grant')}` as GrantId),
    insertGrant: (grant) =>
      run('insertGrant', async (tx) => {
        step('grant', 'new', grant.state)
        if (grant.expiresAt <= grant.startsAt) throw new Refused('a grant ends after it begins', '23514')
        if (tx.get('request', grant.request)?.request.state !== 'approved')
          throw new Refused('a grant needs an approved request')
        await tx.refers('request', grant.request)
        if (tx.all('grant').some((row) => row.grant.request === grant.request))
          throw new Refused(`${grant.request} has a grant`, '23505')
        if (!(await tx.insert('grant', grant.id, { grant, checked: grant.revision })))
          throw new Refused(`${grant.id} is there`, '23505')
      }),
    findGrant: (id) => run('findGrant', (tx) => tx.get('grant', id)?.grant),
    lockGrant: (id) => run('lockGrant', async (tx) => (await tx.lock('grant', id, 'update'))?.grant),
    grantsOf: (requests) =>
      requests.length === 0
        ? Promise.resolve([])
        : run('grantsOf', (tx) =>
            tx.all('grant').flatMap(({ grant }) => (requests.includes(grant.request) ? [grant] : [])),
          ),
    moveGrant: (grant) =>
      run('moveGrant', async (tx) => {
        await tx.update('grant', grant.id, (row) => {
          step('grant', row.grant.state, grant.state)
          const since = row.since ?? (grant.state === 'ending' ? grant.since : undefined)
          keepGrant(row.grant, grant, since)
          return { ...row, ...(since === undefined ? {} : { since }), grant: moved(row.grant, grant, since) }
        })
      }),
    liveGrants: (principal, resource) =>
      run('liveGrants', async (tx) => {
        const live: Grant[] = []
        for (const id of ids(tx, ({ grant }) => isLive(grant, principal, resource))) {
          const row = await tx.lock('grant', id, 'share')
          if (row !== undefined && isLive(row.grant, principal, resource)) live.push(row.grant)
        }
        return live
      }),
    openGrantsOfSession: (session) =>
      run('openGrantsOfSession', (tx) => ids(tx, (row) => row.grant.session === session && isOpen(row))),
    openGrantsOfPrincipal: (principal) =>
      run('openGrantsOfPrincipal', (tx) => ids(tx, (row) => row.grant.principal === principal && isOpen(row))),
    dueGrants: (now, limit) =>
      run('dueGrants', (tx) =>
        tx
          .all('grant')
          .filter((row) => isOpen(row) && row.grant.expiresAt <= now)
          .sort((a, b) => a.grant.expiresAt - b.grant.expiresAt || byNumber(a, b))
          .map((row) => row.grant.id)
          .slice(0, limit),
      ),
    endingGrants: (limit) =>
      run('endingGrants', (tx) =>
        tx
          .all('grant')
          .filter(({ grant }) => grant.state === 'ending')
          .sort((a, b) => (a.since ?? 0) - (b.since ?? 0) || byNumber(a, b))
          .map((row) => row.grant)
          .slice(0, limit),
      ),
    staleGrants: (revision, limit) =>
      run('staleGrants', (tx) =>
        ids(tx, (row) => row.grant.state === 'active' && row.grant.scope !== 'once' && row.checked < revision).slice(
          0,
          limit,
        ),
      ),
    noteGrantChecked: (id, revision) =>
      run('noteGrantChecked', async (tx) => {
        await tx.update('grant', id, (row) =>
          row.grant.state === 'active' && row.checked < revision ? { ...row, checked: revision } : undefined,
        )
      }),
    nextDue: () =>
      run('nextDue', (tx) => {
        const due = [
          ...tx.all('request').flatMap(({ request: r }) => (r.state === 'pending' ? [r.expiresAt] : [])),
          ...tx.all('grant').flatMap((row) => (isOpen(row) ? [row.grant.expiresAt] : [])),
          ...tx.all('session').flatMap(({ session: s }) => (s.state === 'open' ? (s.expiresAt ?? []) : [])),
        ]
        return due.length === 0 ? undefined : due.reduce((a, b) => (b < a ? b : a))
      }),

    insertExecution: (request, grant) =>
      run('insertExecution', async (tx) => {
        await tx.refers('request', request)
        await tx.refers('grant', grant)
        if (!(await tx.insert('execution', request, { request, grant, state: 'ready' })))
          throw new Refused(`${request} has an execution`, '23505')
      }),
    findExecution: (request) => run('findExecution', (tx) => tx.get('execution', request)),
    executionsOf: (requests) =>
      requests.length === 0
        ? Promise.resolve([])
        : run('executionsOf', (tx) => tx.all('execution').filter((one) => requests.includes(one.request))),
    startExecution: (request, session, now) =>
      run('startExecution', async (tx) => {
        if (tx.get('execution', request)?.state !== 'ready') return false
        await tx.refers('session', session)
        return tx.update('execution', request, (one) => {
          if (one.state !== 'ready') return undefined
          const grant = tx.get('grant', one.grant)?.grant
          const state = tx.get('request', request)?.request.state
          if (grant?.state !== 'active' || now >= grant.expiresAt || state !== 'approved')
            throw new Refused('nothing starts without a live grant')
          return { ...one, state: 'started', session }
        })
      }),
    endExecution: (request, _now, result) =>
      run('endExecution', (tx) =>
        tx.update('execution', request, (one): Execution | undefined =>
          one.state === 'started' ? { ...one, state: result.outcome, done: result } : undefined,
        ),
      ),
    startedOfSession: (session) =>
      run('startedOfSession', (tx) =>
        tx
          .all('execution')
          .filter((one) => one.session === session && one.state === 'started')
          .map((one) => one.request)
          .sort((a, b) => numberOf(a) - numberOf(b)),
      ),
  } satisfies Partial<RequestStore>
}

const isLive = (grant: Grant, principal: string, resource: string): boolean =>
  grant.state === 'active' && grant.principal === principal && grant.resource === resource

function moved(before: Grant, after: Grant, since: Grant['startsAt'] | undefined): Grant {
  const common: GrantCommon = { ...before, expiresAt: after.expiresAt }
  for (const key of ['state', 'why', 'since', 'at']) Reflect.deleteProperty(common, key)
  switch (after.state) {
    case 'provisioning':
    case 'active':
      return { ...common, state: after.state }
    case 'ending':
      return { ...common, state: 'ending', why: after.why, since: since ?? after.since }
    case 'ended':
      return { ...common, state: 'ended', why: after.why, at: after.at }
    default:
      return after satisfies never
  }
}
