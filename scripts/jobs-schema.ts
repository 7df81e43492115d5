import { getConstructionPlans, getMigrationPlans } from 'pg-boss'

/*
 * Prints pg-boss's own SQL for a migration of ours, without the transaction it brings: each migration is one already.
 *
 *   node scripts/jobs-schema.ts        the whole schema
 *   node scripts/jobs-schema.ts 46     what leads from schema 46 to that of the pg-boss installed here
 */

const SCHEMA = 'pgboss'
const from = process.argv[2]
const plan = from === undefined ? getConstructionPlans(SCHEMA) : getMigrationPlans(SCHEMA, Number(from))
const OWN =
  /^\s*(BEGIN|COMMIT|SET LOCAL (lock_timeout|idle_in_transaction_session_timeout) = \d+|SELECT pg_advisory_xact_lock\(.*\));\s*$/
const lines = plan.split('\n').filter((line) => !OWN.test(line))
process.stdout.write(
  `${lines
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()}\n`,
)
