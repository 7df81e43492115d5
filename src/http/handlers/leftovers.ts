import { present, time } from '../view/scalars.ts'
import { mapped, nothing } from './handler.ts'
import type { Handlers } from './handler.ts'
import { lengthOf } from './input.ts'

type Operations = 'listLeftovers' | 'revokeLeftover' | 'adoptLeftover' | 'ignoreLeftover'

export const leftovers: Handlers<Operations> = {
  listLeftovers: async ({ app, caller }) =>
    mapped(await app.listLeftovers(caller), (seen) => ({
      items: seen.leftovers.map(({ resource, found, firstSeen, lastSeen, ignored }) =>
        present({
          resource,
          role: found.name,
          comment: found.comment,
          canLogin: found.canLogin,
          until: found.until === undefined ? undefined : time(found.until),
          sessions: found.sessions,
          groups: [...found.groups],
          firstSeen: time(firstSeen),
          lastSeen: time(lastSeen),
          ignored,
        }),
      ),
      inventories: seen.inventories.map(({ resource, doneAt, why }) =>
        present({ resource, doneAt: doneAt === undefined ? undefined : time(doneAt), why }),
      ),
      removing: seen.removing.map(({ resource, name, grant, until }) =>
        present({ resource, role: name, grant, until: time(until) }),
      ),
    })),
  revokeLeftover: async ({ app, caller, params, body }) =>
    mapped(await app.revokeLeftover(caller, params.name, params.role, body), nothing),
  adoptLeftover: async ({ app, caller, params, body }) =>
    mapped(
      await app.adoptLeftover(caller, params.name, params.role, { reason: body.reason, length: lengthOf(body.for) }),
      nothing,
    ),
  ignoreLeftover: async ({ app, caller, params, body }) =>
    mapped(await app.ignoreLeftover(caller, params.name, params.role, body), nothing),
}
