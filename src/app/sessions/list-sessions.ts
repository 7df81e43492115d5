import type { ResourceName, SessionId } from '../../domain/ids.ts'
import type { Session, StatementEntry } from '../../domain/session/session.ts'
import { millis } from '../../domain/time.ts'
import type { App, Caller, Page } from '../app.ts'
import type { SessionRecord } from '../ports/requests.ts'
import { done, refuse } from '../result.ts'
import type { Result } from '../result.ts'
import { outOfScope, ownedBy } from '../requests/access.ts'
import { readCursor, writeCursor } from '../../domain/cursor.ts'
import type { RequestDeps } from '../requests/deps.ts'
import { pageSize } from '../requests/list-requests.ts'

/** Sessions, newest first: one's own, those on resources that one owns; all of them with a role. */
export const listSessions =
  (deps: RequestDeps): App['listSessions'] =>
  async (caller, filter) => {
    const narrow = outOfScope(caller, 'read')
    if (narrow !== undefined) return narrow
    const size = pageSize(filter.limit)
    if (size === undefined) return refuse('invalid_input', 'the limit must be a whole number from 1')
    const query = JSON.stringify(['sessions', caller.principal.id, filter.open, filter.resource])
    const before = filter.cursor === undefined ? undefined : readCursor(deps.cursorKey, query, filter.cursor)
    if (filter.cursor !== undefined && before === undefined)
      return refuse('invalid_input', 'the cursor is not one of this list')
    const everything = caller.principal.roles.length > 0
    const found = await deps.store.requests.listSessions({
      ...(everything ? {} : { of: caller.principal.id, owned: ownedBy(caller, deps.policy()) }),
      ...(filter.open === undefined ? {} : { open: filter.open }),
      ...(filter.resource === undefined ? {} : { resource: filter.resource as ResourceName }),
      ...(before === undefined ? {} : { before }),
      limit: size + 1,
    })
    const items = found.slice(0, size)
    const last = items.at(-1)
    const more = found.length > size && last !== undefined
    return done({ items, ...(more ? { next: writeCursor(deps.cursorKey, query, Number(last.id.slice(2))) } : {}) })
  }

/** A page of what was run in a session, and the session itself. */
interface Recording extends Page<StatementEntry> {
  readonly session: Session
}

/**
 * What was run in a session: the recording of it. For owners of the resource and auditors, and for those who were asked
 * about a request of that session. Not for who ran it, nor for administrators by role. Every reading is recorded.
 */
async function readRecording(
  deps: RequestDeps,
  caller: Caller,
  session: string,
  filter: { readonly cursor?: string; readonly limit?: number },
): Promise<Result<Recording>> {
  const narrow = outOfScope(caller, 'read')
  if (narrow !== undefined) return narrow
  const size = pageSize(filter.limit)
  if (size === undefined) return refuse('invalid_input', 'the limit must be a whole number from 1')
  const record = await deps.store.requests.findSession(session.toUpperCase() as SessionId)
  if (record === undefined) return refuse('not_found')
  const permitted = await mayRead(deps, caller, record)
  if (permitted !== 'yes') return refuse(permitted === 'known' ? 'not_permitted' : 'not_found')
  const query = JSON.stringify(['statements', caller.principal.id, record.session.id])
  const after = filter.cursor === undefined ? 0 : readCursor(deps.cursorKey, query, filter.cursor)
  if (after === undefined) return refuse('invalid_input', 'the cursor is not one of this list')

  await deps.store.transaction((tx) =>
    tx.record.append({
      kind: 'session.read',
      subject: `session/${record.session.id}`,
      actor: caller.principal.id,
      resource: record.session.resource,
      body: { session: record.session.id, after },
    }),
  )
  const found = await deps.store.requests.listStatements(record.session.id, after, size + 1)
  const items = found.slice(0, size)
  const last = items.at(-1)
  const more = found.length > size && last !== undefined
  return done({
    session: record.session,
    items,
    ...(more ? { next: writeCursor(deps.cursorKey, query, last.number) } : {}),
  })
}

export const listStatements =
  (deps: RequestDeps): App['listStatements'] =>
  async (caller, session, filter) => {
    const read = await readRecording(deps, caller, session, filter)
    if (!read.ok) return read
    const { session: _, ...page } = read.value
    return done(page)
  }

/** The same with the session, and with how long after its beginning each statement came. */
export const replaySession =
  (deps: RequestDeps): App['replaySession'] =>
  async (caller, session, filter) => {
    const read = await readRecording(deps, caller, session, filter)
    if (!read.ok) return read
    const { openedAt } = read.value.session
    const items = read.value.items.map((entry) => ({ ...entry, after: millis(Math.max(0, entry.at - openedAt)) }))
    return done({ ...read.value, items })
  }

/** `known`: they may know that the session exists, and still not read what was run in it. */
async function mayRead(deps: RequestDeps, caller: Caller, { session }: SessionRecord): Promise<'yes' | 'known' | 'no'> {
  const { id, roles, kind } = caller.principal
  if (roles.includes('auditor') || ownedBy(caller, deps.policy()).includes(session.resource)) return 'yes'
  const asked = kind === 'user' && (await deps.store.requests.wasAsked(session.id, id))
  if (asked && session.principal !== id) return 'yes'
  return session.principal === id || roles.includes('admin') ? 'known' : 'no'
}

/** End a session now. The gateway closes it, and the reconciler sees that its backend is gone. */
export const cutSession =
  (deps: RequestDeps): App['cutSession'] =>
  async (caller, session) => {
    const narrow = outOfScope(caller, 'request', 'review')
    if (narrow !== undefined) return narrow
    return deps.store.transaction(async (tx) => {
      const record = await tx.requests.lockSession(session.toUpperCase() as SessionId)
      if (record === undefined) return refuse('not_found')
      const { id, roles, kind } = caller.principal
      const { principal, resource } = record.session
      const own = principal === id || deps.policy()?.people.get(principal)?.sponsor === id
      const owner = ownedBy(caller, deps.policy()).includes(resource)
      const asked = kind === 'user' && (await tx.requests.wasAsked(record.session.id, id))
      if (!own && !owner && !asked && roles.length === 0) return refuse('not_found')
      if (!own && !owner && !asked && !roles.includes('admin')) return refuse('not_permitted')
      if (record.session.state === 'closed') return refuse('not_active', 'the session has ended already')
      await tx.requests.orderCut(record.session.id, { why: `cut by ${id}`, reason: 'cut' })
      await tx.record.append({
        kind: 'session.cut',
        subject: `session/${record.session.id}`,
        actor: id,
        resource,
        body: { session: record.session.id, principal },
      })
      return done(undefined)
    })
  }
