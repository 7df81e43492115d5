import type { QueryExecutorProvider } from 'kysely'
import type { RequestStore } from '../app/ports/requests.ts'
import { afterwardsQueries } from './afterwards.ts'
import { grantQueries } from './grants.ts'
import { requestQueries } from './requests.ts'
import { sessionQueries } from './sessions.ts'
import { statementQueries } from './statements.ts'

/** The aggregate of requests over a pool or a transaction (`db` is a Kysely or a Transaction of any schema). */
export const createRequestStore = (db: QueryExecutorProvider): RequestStore => ({
  ...requestQueries(db),
  ...grantQueries(db),
  ...afterwardsQueries(db),
  ...sessionQueries(db),
  ...statementQueries(db),
})
