/**
 * Writes src/classify/postgres/tree-schema.generated.ts: the fields of every node that libpg-query's parser can
 * produce, from the declarations of @pgsql/types that come with it.
 *   node scripts/generate-tree-schema.ts
 */
import { readFile, writeFile } from 'node:fs/promises'

const read = (file: string): Promise<string> => readFile(new URL(file, import.meta.resolve('@pgsql/types')), 'utf8')
const source = await read('types.d.ts')
const enums = await read('enums.d.ts')
const isEnum = (name: string): boolean => new RegExp(`export (?:declare )?(?:type|enum) ${name}\\b`).test(enums)
const lines: string[] = []
for (const [, name, body] of source.matchAll(/export interface (\w+) \{(.*?)\n?\}/gs)) {
  const fields = [...(body ?? '').matchAll(/(\w+)\??: ([^;]+);/g)].map(([, field, type = '']) => {
    const one = type.replace('[]', '')
    const kind =
      one === 'Node' ? '*' : ['string', 'number', 'boolean', 'bigint'].includes(one) || isEnum(one) ? '' : `:${one}`
    return `${field}${kind}`
  })
  lines.push(`${name} ${fields.join(' ')}`.trim())
}
await writeFile(
  new URL('../src/classify/postgres/tree-schema.generated.ts', import.meta.url),
  `// Written by scripts/generate-tree-schema.ts from @pgsql/types. Do not edit.

/** \`Node field field* field:Struct\`: a plain value, a node or list of nodes, and a structure written without its name. */
export const TREE_SCHEMA = \`
${lines.join('\n')}
\`
`,
)
