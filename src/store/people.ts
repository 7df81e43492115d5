import type { PeopleStore } from '../app/ports/people.ts'
import type { Executor } from './database.ts'
import { accountQueries } from './people-accounts.ts'
import { tokenQueries } from './people-tokens.ts'
import { throttleQueries } from './people-throttle.ts'

/** The aggregate of people: accounts, tokens, throttling. */
export const peopleStore = (executor: Executor): PeopleStore => ({
  ...accountQueries(executor),
  ...tokenQueries(executor),
  ...throttleQueries(executor),
})
