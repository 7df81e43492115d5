import type { CutOrder } from '../../../src/app/ports/gateway.ts'
import type { RequestStore, SessionRecord } from '../../../src/app/ports/requests.ts'
import type { Grant } from '../../../src/domain/grant/grant.ts'
import type { SessionId } from '../../../src/domain/ids.ts'
import type { Instant } from '../../../src/domain/time.ts'
import { Refused } from './database.ts'
import type { Tables, Transaction } from './database.ts'
import type { Run } from './requests.ts'

type Row = Tables['session']
const numberOf = (id: string): number => Number(id.slice(id.indexOf('-') + 1))
const byNumber = (a: Row, b: Row): number => numberOf(a.session.id) - numberOf(b.session.id)
const isOpen = ({ session }: Row): boolean => session.state === 'open'
const least = (a: Instant | undefined, b: Instant): Instant => (a === undefined || b < a ? b : a)

/** What a row says to who asks for it: not its token. */
function read(row: Row): SessionRecord {
  const { token: _, ...record } = row
  return record
}

/** See store/sessions.ts. */
export function sessionRows(run: Run) {
  const ids = (tx: Transaction, which: (row: Row) => boolean): readonly SessionId[] =>
    tx
      .all('session')
      .filter(which)
      .sort(byNumber)
      .map((row) => row.session.id)
  const change = (what: string, id: SessionId, how: (row: Row) => Row | undefined): Promise<void> =>
    run(what, async (tx) => void (await tx.update('session', id, how)))
  return {
    nextSession: () => run('nextSession', (tx) => `S-${tx.database.next('session')}` as SessionId),
    insertSession: (session, of) =>
      run('insertSession', async (tx) => {
        await tx.refers('replica', of.replica)
        if (!(await tx.insert('session', session.id, { session, ...of })))
          throw new Refused(`${session.id} is there`, '23505')
      }),
    findSession: (id) =>
      run('findSession', (tx) => {
        const row = tx.get('session', id)
        return row && read(row)
      }),
    lockSession: (id) =>
      run('lockSession', async (tx) => {
        const row = await tx.lock('session', id, 'update')
        return row && read(row)
      }),
    attachBackend: (id, backend) =>
      change('attachBackend', id, (row) => ({ ...row, session: { ...row.session, backend } })),
    boundSession: (id, expiresAt) =>
      change('boundSession', id, (row) =>
        isOpen(row)
          ? { ...row, session: { ...row.session, expiresAt: least(row.session.expiresAt, expiresAt) } }
          : undefined,
      ),
    closeSession: (id, why, now) =>
      change('closeSession', id, (row) =>
        isOpen(row) ? { ...row, session: { ...row.session, state: 'closed', why, at: now } } : undefined,
      ),
    orderCut: (id, order) =>
      change('orderCut', id, (row) => (isOpen(row) ? { ...row, cut: row.cut ?? order } : undefined)),
    noteGone: (id, now) => change('noteGone', id, (row) => ({ ...row, goneAt: row.goneAt ?? now })),
    openSessionsOfPrincipal: (principal) =>
      run('openSessionsOfPrincipal', (tx) => ids(tx, (row) => isOpen(row) && row.session.principal === principal)),
    sessionsOfRevokedTokens: (before, limit) =>
      run('sessionsOfRevokedTokens', (tx) =>
        ids(tx, (row) => {
          const revokedAt = tx.get('token', row.token)?.revokedAt
          return isOpen(row) && row.cut === undefined && revokedAt !== undefined && revokedAt < before
        }).slice(0, limit),
      ),
    enterGrant: (session, grant) =>
      run('enterGrant', async (tx) => {
        if (!(await tx.insert('session_grant', `${session} ${grant}`, { session, grant }))) return
        await tx.refers('session', session)
        await tx.refers('grant', grant)
      }),
    sessionsOfGrant: (grant) =>
      run('sessionsOfGrant', (tx) =>
        tx
          .all('session_grant')
          .flatMap((one) => (one.grant === grant ? (tx.get('session', one.session) ?? []) : []))
          .sort(byNumber)
          .map(read),
      ),
    sessionsToCut: (replica, now) =>
      run('sessionsToCut', (tx) =>
        tx
          .all('session')
          .filter((row) => isOpen(row) && (replica === undefined || row.replica === replica))
          .sort(byNumber)
          .flatMap((row) => {
            const order = orderOf(tx, row, now)
            return order === undefined ? [] : [{ session: row.session.id, order }]
          }),
      ),
    sessionsLeft: (limit) =>
      run('sessionsLeft', (tx) =>
        tx
          .all('session')
          .filter((row) => mustLook(tx, row))
          .sort((a, b) => closedAt(a) - closedAt(b) || byNumber(a, b))
          .map(read)
          .slice(0, limit),
      ),

    startReplica: (id, now) =>
      run('startReplica', async (tx) => {
        if (!(await tx.insert('replica', id, { id, heartbeatAt: now }))) throw new Refused(`${id} is there`, '23505')
      }),
    heartbeat: (id, now) =>
      run('heartbeat', (tx) =>
        tx.update('replica', id, (one) =>
          one.endedAt === undefined
            ? { ...one, heartbeatAt: now > one.heartbeatAt ? now : one.heartbeatAt }
            : undefined,
        ),
      ),
    silentReplicas: (before, limit) =>
      run('silentReplicas', (tx) =>
        tx
          .all('replica')
          .filter((one) => one.endedAt === undefined && one.heartbeatAt < before)
          .sort((a, b) => a.heartbeatAt - b.heartbeatAt)
          .slice(0, limit)
          .map(({ id, heartbeatAt }) => ({ id, heartbeatAt })),
      ),
    endSilentReplica: (id, heartbeatAt, now) =>
      run('endSilentReplica', (tx) =>
        tx.update('replica', id, (one) =>
          one.endedAt === undefined && one.heartbeatAt === heartbeatAt ? { ...one, endedAt: now } : undefined,
        ),
      ),
    endReplica: (id, now) =>
      run('endReplica', async (tx) => {
        await tx.update('replica', id, (one) => (one.endedAt === undefined ? { ...one, endedAt: now } : undefined))
      }),
    openSessionsOfReplica: (replica, limit) =>
      run('openSessionsOfReplica', (tx) => ids(tx, (row) => isOpen(row) && row.replica === replica).slice(0, limit)),
    endedReplicasWithSessions: () =>
      run('endedReplicasWithSessions', (tx) =>
        tx
          .all('replica')
          .filter(
            (one) =>
              one.endedAt !== undefined && tx.all('session').some((row) => isOpen(row) && row.replica === one.id),
          )
          .map((one) => one.id),
      ),
  } satisfies Partial<RequestStore>
}

const grantsUsedBy = (tx: Transaction, session: string): readonly Grant[] =>
  tx.all('session_grant').flatMap((one) => (one.session === session ? (tx.get('grant', one.grant)?.grant ?? []) : []))

/** Why the session must end now. The order that somebody gave comes first, then the grant's end, then its own. */
function orderOf(tx: Transaction, row: Row, now: Instant): CutOrder | undefined {
  if (row.cut !== undefined) return row.cut
  const [unfinished] = grantsUsedBy(tx, row.session.id)
    .filter((one) => (one.state === 'ending' || one.state === 'ended') && one.why !== 'completed')
    .toSorted((a, b) => numberOf(a.id) - numberOf(b.id))
  if (
    unfinished !== undefined &&
    (unfinished.state === 'ending' || unfinished.state === 'ended') &&
    unfinished.why !== 'completed'
  )
    return { why: `${unfinished.request} ended (${unfinished.why})`, reason: unfinished.why }
  const { expiresAt } = row.session
  return expiresAt !== undefined && expiresAt <= now
    ? { why: 'the time of this session is up', reason: 'expired' }
    : undefined
}

const closedAt = ({ session }: Row): number => (session.state === 'closed' ? session.at : 0)
const LOOKED_FOR: ReadonlySet<string> = new Set(['cut', 'expired', 'gateway_died', 'failed'])

function mustLook(tx: Transaction, row: Row): boolean {
  const { session, goneAt } = row
  if (session.state !== 'closed' || goneAt !== undefined || session.backend === undefined) return false
  return LOOKED_FOR.has(session.why) || grantsUsedBy(tx, session.id).some((one) => one.state === 'ending')
}
