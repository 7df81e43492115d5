import type { OperationId } from '../../contract/routes.ts'
import { time } from '../view/scalars.ts'
import { documents } from './documents.ts'
import type { Handlers } from './handler.ts'
import { later } from './later.ts'
import { leftovers } from './leftovers.ts'
import { ledger } from './ledger.ts'
import { people } from './people.ts'
import { requests } from './requests.ts'

/** Every operation but the one that streams (events.ts). */
export const handlers: Handlers<Exclude<OperationId, 'followEvents'>> = {
  async getInfo({ app, info, now }) {
    const gateway = info.gateway?.()
    return {
      ok: true,
      value: {
        name: 'holdpoint',
        version: info.version,
        api: 'v1',
        demo: info.demo,
        setupNeeded: await app.setupNeeded(),
        now: time(now),
        ...(gateway === undefined ? {} : { gateway }),
      },
    }
  },
  ...people,
  ...documents,
  ...requests,
  ...ledger,
  ...later,
  ...leftovers,
}
