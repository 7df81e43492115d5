import { capWords } from '../domain/policy/row-cap.ts'
import type { RowCap } from '../domain/policy/row-cap.ts'
import { ROLLED_BACK } from '../domain/grant/grant.ts'
import type { AccessRequest, Cli } from './cli.ts'
import { oneLine } from './exposed-text.ts'
import { renderPairs } from './table.ts'
import { clock } from './times.ts'

const rows = (n: number): string => `${n.toLocaleString('en-US')} ${n === 1 ? 'row' : 'rows'}`

/** How many rows may be touched, for the reviewer; undefined where nobody capped them. */
export function rowCapLine(cli: Cli, request: AccessRequest): string | undefined {
  const { rowCap, subject } = request
  const uncapped = subject.kind === 'statement' ? subject.uncapped : undefined
  if (rowCap === undefined) return undefined
  if (uncapped !== undefined) return cli.paint('yellow', `none can be enforced: ${oneLine(uncapped)}`)
  const each = subject.kind === 'window' ? ', each statement' : ''
  const words = `${capWords(rowCap as RowCap)}${each}; more roll it back`
  return rowCap.needsNumber === true ? cli.paint('yellow', `${words} (--rows N)`) : words
}

type Touched = NonNullable<NonNullable<NonNullable<AccessRequest['execution']>['done']>['touched']>[number]

function touchedWords({ object, inserted, updated, deleted }: Touched): string {
  const parts = [
    ...(inserted > 0 ? [`${inserted.toLocaleString('en-US')} inserted`] : []),
    ...(updated > 0 ? [`${updated.toLocaleString('en-US')} updated`] : []),
    ...(deleted > 0 ? [`${deleted.toLocaleString('en-US')} deleted`] : []),
  ]
  return `${oneLine(object)}: ${parts.join(', ')}`
}

const ENDINGS = {
  succeeded: 'done',
  failed: 'failed',
  unknown: 'nobody knows whether it was done',
} as const

/** As exact as it matters: `0.4 ms`, `36 ms`, `12,345 ms`. */
const milliseconds = (micros: number): string =>
  `${(micros / 1000).toLocaleString('en-US', { maximumFractionDigits: micros < 10_000 ? 1 : 0 })} ms`

/** What was approved and what was done, side by side; empty before it has run. */
export function renderDone(cli: Cli, { execution, afterwards }: AccessRequest): string {
  if (execution === undefined || execution.state === 'ready') return ''
  const { approved, done, state } = execution
  const touched = done?.touched
  const lasted = done?.durationMicros === undefined ? '' : `, after ${milliseconds(done.durationMicros)}`
  const outcome =
    state === 'started'
      ? 'running'
      : `${done?.overCap === true ? 'rolled back: more rows than agreed' : done?.sqlstate === ROLLED_BACK ? 'rolled back with its transaction' : ENDINGS[state]}${lasted}${done?.sqlstate === undefined ? '' : ` (SQLSTATE ${oneLine(done.sqlstate)})`}`
  const estimate = approved.estimate === undefined ? 'no estimate' : `about ${rows(Math.round(approved.estimate))}`
  const agreed = approved.rowsAtMost === undefined ? '' : `, at most ${rows(approved.rowsAtMost)}`
  const counted =
    touched === undefined
      ? done === undefined
        ? undefined
        : 'not counted'
      : touched.length === 0
        ? 'no rows'
        : touched.map(touchedWords).join('\n')
  const owed =
    afterwards === undefined
      ? []
      : [
          ...afterwards.why.map((one) => cli.paint('red', oneLine(one.words))),
          afterwards.acknowledged === undefined
            ? `${afterwards.asked.map(oneLine).join(' or ') || 'nobody'} must look until ${clock(afterwards.dueAt, cli.now())}: hp acknowledge`
            : `acknowledged by ${oneLine(afterwards.acknowledged.by)}${afterwards.acknowledged.words === undefined ? '' : `: ${oneLine(afterwards.acknowledged.words)}`}`,
        ]
  return `${cli.paint('dim', 'approved, and done')}\n${renderPairs(cli.terminal, [
    ['approved', `${estimate}${agreed}`],
    ['on', approved.objects.map(oneLine).join(', ')],
    ['outcome', outcome],
    ['reported', done?.rows === undefined ? undefined : rows(done.rows)],
    ['touched', counted],
    ['differs', owed.length === 0 ? undefined : owed.join('\n')],
  ])}`
}
