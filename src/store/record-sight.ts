import { sql } from 'kysely'
import type { Sight } from '../app/ports/requests.ts'

/**
 * Whose entries somebody may read. Besides what they did and what was done to their account: what belongs to a
 * resource they own, and everything about a request (its reviews, grants, session) that is theirs, their agent's,
 * or that they were asked about.
 */
export function inSight(sight: Sight): ReturnType<typeof sql<boolean>> {
  if (sight.kind === 'all') return sql`true`
  const me = sight.of
  const theirs = sql`(r.requester = ${me} OR r.sponsor = ${me} OR ${me} = ANY(r.asked))`
  return sql`(
    record.actor = ${me}
    OR record.subject = ${`account/${me}`}
    OR record.resource = ANY(${[...sight.owned]}::text[])
    OR EXISTS (SELECT FROM access_request r WHERE r.number = ${numbered('request/HP-')} AND ${theirs})
    OR EXISTS (SELECT FROM access_grant g JOIN access_request r ON r.number = g.request
      WHERE g.number = ${numbered('grant/G-')} AND ${theirs})
    OR EXISTS (SELECT FROM session s WHERE s.number = ${numbered('session/S-')} AND s.principal = ${me}))`
}

/** The number behind a subject like `request/HP-142`; NULL for any other subject. */
const numbered = (prefix: string) =>
  sql`CASE WHEN record.subject ~ ${`^${prefix}[0-9]{1,15}$`} THEN substr(record.subject, ${sql.lit(prefix.length + 1)})::bigint END`
