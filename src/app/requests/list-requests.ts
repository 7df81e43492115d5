import { parseRequestId } from '../../domain/ids.ts'
import type { App } from '../app.ts'
import { done, refuse } from '../result.ts'
import { outOfScope, ownedBy, sightOf } from './access.ts'
import { readCursor, writeCursor } from '../../domain/cursor.ts'
import type { RequestDeps } from './deps.ts'
import { viewOf, viewsOf } from './view.ts'

const MOST = 200
const USUAL = 50

/** How many of a list to give: what was asked for, within bounds; undefined for a number that is none. */
export const pageSize = (limit: number | undefined): number | undefined =>
  limit === undefined ? USUAL : Number.isSafeInteger(limit) && limit >= 1 ? Math.min(limit, MOST) : undefined

/** Requests that the caller may see, newest first. */
export const listRequests =
  (deps: RequestDeps): App['listRequests'] =>
  async (caller, filter) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review')
    if (narrow !== undefined) return narrow
    const { cursor, limit, ...rest } = filter
    const size = pageSize(limit)
    if (size === undefined) return refuse('invalid_input', 'the limit must be a whole number from 1')
    // A cursor is good for this reader and these filters, and for nothing else.
    const query = JSON.stringify(['requests', caller.principal.id, rest.state, rest.resource, rest.requester])
    const before = cursor === undefined ? undefined : readCursor(deps.cursorKey, query, cursor)
    if (cursor !== undefined && before === undefined)
      return refuse('invalid_input', 'the cursor is not one of this list')

    const sight = sightOf(caller, ownedBy(caller, deps.policy()))
    const found = await deps.store.requests.listRequests({
      ...rest,
      sight,
      ...(before === undefined ? {} : { before }),
      limit: size + 1,
    })
    const page = found.slice(0, size)
    const last = page.at(-1)
    const items = await viewsOf(deps, deps.store, caller, page, deps.clock.now())
    const more = found.length > size && last !== undefined
    return done({ items, ...(more ? { next: writeCursor(deps.cursorKey, query, Number(last.id.slice(3))) } : {}) })
  }

/** One request. What may not be seen is answered like what is not there. */
export const getRequest =
  (deps: RequestDeps): App['getRequest'] =>
  async (caller, id) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review')
    if (narrow !== undefined) return narrow
    const number = parseRequestId(id)
    const request = number && (await deps.store.requests.findRequest(number))
    const view = request && (await viewOf(deps, deps.store, caller, request, deps.clock.now()))
    return view === undefined ? refuse('not_found') : done(view)
  }

/** What waits for the caller, what they wait for, and what they hold. */
export const inbox =
  (deps: RequestDeps): App['inbox'] =>
  async (caller) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review')
    if (narrow !== undefined) return narrow
    const me = caller.principal.id
    const { requests } = deps.store
    const now = deps.clock.now()
    const asked = await requests.listRequests({ sight: { kind: 'all' }, state: 'pending', asked: me, limit: MOST })
    const own = await requests.listRequests({ sight: { kind: 'all' }, state: 'pending', requester: me, limit: MOST })
    const live = await Promise.all(
      (await requests.openGrantsOfPrincipal(me)).slice(0, MOST).map((id) => requests.findGrant(id)),
    )
    const held = await Promise.all(live.flatMap((g) => (g === undefined ? [] : [requests.findRequest(g.request)])))

    const needsMe = (await viewsOf(deps, deps.store, caller, asked, now))
      .filter((v) => v.may.approve === true || v.may.deny === true)
      .sort((a, b) => a.request.expiresAt - b.request.expiresAt)
    const waiting = await viewsOf(deps, deps.store, caller, own, now)
    const granted = await viewsOf(
      deps,
      deps.store,
      caller,
      held.flatMap((r) => r ?? []),
      now,
    )
    const owed = await Promise.all((await requests.owedBy(me, MOST)).map((id) => requests.findRequest(id)))
    const afterwards = await viewsOf(
      deps,
      deps.store,
      caller,
      owed.flatMap((r) => r ?? []),
      now,
    )
    return done({ needsMe, waiting, granted, afterwards })
  }
