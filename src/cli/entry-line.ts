import type { z } from 'zod'
import type { RecordEntry } from '../contract/record.ts'
import type { Cli } from './cli.ts'
import { oneLine, safeJson } from './exposed-text.ts'
import { clock } from './times.ts'

type Entry = z.output<typeof RecordEntry>

/** Fields worth a look in one line, in this order, when an entry has them. */
const TELLING = [
  'verbs',
  'verdict',
  'reason',
  'words',
  'why',
  'by',
  'rules',
  'summary',
  'change',
  'fields',
  'password',
  'revision',
  'grant',
  'rows',
  'touched',
  'rowsAtMost',
  'sqlstate',
  'count',
  'scope',
  'state',
  'outcome',
  'refusal',
  'what',
]

/** One entry of the record on one line: when, what, about what, by whom, and what is telling in its body. */
export function entryLine(cli: Cli, entry: Entry): string {
  const telling = TELLING.flatMap((key) => {
    const value = Object.hasOwn(entry.body, key) ? entry.body[key] : undefined
    if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) return []
    const shown = Array.isArray(value) && value.every((one) => typeof one === 'string') ? value.join(', ') : value
    return [`${key}=${oneLine(typeof shown === 'string' ? shown : safeJson(shown))}`]
  })
  return [
    cli.paint('dim', clock(entry.at, cli.now())),
    cli.paint(styleOf(entry.kind), oneLine(entry.kind).padEnd(18)),
    oneLine(entry.subject),
    ...(entry.resource === undefined ? [] : [`on ${oneLine(entry.resource)}`]),
    ...(entry.actor === undefined ? [] : [`by ${oneLine(entry.actor)}`]),
    cli.paint('dim', telling.join(' ')),
  ]
    .join('  ')
    .trimEnd()
}

function styleOf(kind: string): 'red' | 'green' | 'yellow' | 'bold' {
  if (/denied|refused|revoked|cut|voided/.test(kind)) return 'red'
  if (/approved|started|active/.test(kind)) return 'green'
  return /opened|held/.test(kind) ? 'yellow' : 'bold'
}
