/**
 * Writes src/classify/postgres/harmless-functions.generated.ts from the pg_proc of the servers named in argv
 * (connection strings; give the oldest and the newest supported version):
 *   node scripts/generate-harmless-functions.ts postgres://postgres@localhost:5415 postgres://postgres@localhost:5418
 */
import { writeFile } from 'node:fs/promises'
import pg from 'pg'
import { FUNCTIONS_SQL, judgeFunctions, type BuiltIn } from './harmless-functions.ts'

const all: BuiltIn[] = []
const versions: string[] = []
for (const connectionString of process.argv.slice(2)) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  versions.push(
    (await client.query<{ v: string }>(`select current_setting('server_version_num') as v`)).rows[0]?.v ?? '?',
  )
  all.push(...(await client.query<BuiltIn>(FUNCTIONS_SQL)).rows)
  await client.end()
}
if (versions.length === 0) throw new Error('name at least one server')
const { harmless, others } = judgeFunctions(all)
const lines = (map: Map<string, number[]>): string =>
  [...map]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, arities]) => `${name} ${arities.join(',')}`)
    .join('\n')
await writeFile(
  new URL('../src/classify/postgres/harmless-functions.generated.ts', import.meta.url),
  `// Written by scripts/generate-harmless-functions.ts from PostgreSQL ${versions.join(' and ')}. Do not edit:
// change function-review.ts and run the script again.

/** \`name n,n\`: built-in functions, and the numbers of arguments with which every overload is harmless; 20 stands for 20 and more. */
export const HARMLESS = \`
${lines(harmless)}
\`

/** The same for numbers of arguments with which some overload is not harmless. */
export const NOT_KNOWN_HARMLESS = \`
${lines(others)}
\`
`,
)
