import type { Classifier, TargetCatalogue } from '../../classify/postgres/shape.ts'
import type { ResourceName } from '../../domain/ids.ts'
import { planWork, type Work } from '../gateway/work.ts'

/** A target that adds nothing of its own: what tests assume, and `explain` where the target cannot be asked. */
const NOTHING_ADDED: TargetCatalogue = {
  version: 'assumed',
  functions: new Set(),
  operators: new Set(),
  relations: new Map(),
  harmlessTypes: new Set(),
  otherTypes: new Set(),
  userCasts: false,
}
/** PostgreSQL's own, for a role and a database that set none. */
export const DEFAULT_SEARCH_PATH = '"$user", public'

/** A text as the gateway would take it in a session that has just begun. */
export const classifyText = async (
  classifier: Classifier,
  resource: ResourceName,
  sql: string,
  catalogue: TargetCatalogue = NOTHING_ADDED,
): Promise<Work> =>
  planWork(
    resource,
    await classifier.classifyLater(sql, catalogue, catalogue.searchPath ?? DEFAULT_SEARCH_PATH),
    () => undefined,
    undefined,
  )
