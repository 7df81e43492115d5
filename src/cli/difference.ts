import type { Answer } from '../contract/routes.ts'
import type { Cli } from './cli.ts'
import { oneLine } from './exposed-text.ts'
import { renderFinding } from './findings.ts'

type Difference = Answer<'diffDocuments'>

/** `+ Resource shop-db`, `~ Rule prod-writes` with its fields, `- Team old`. */
export function renderDifference(cli: Cli, difference: Difference): string {
  return difference.changes
    .map((change) => {
      const mark = { added: '+', changed: '~', removed: '-' }[change.change]
      const style = ({ added: 'green', changed: 'yellow', removed: 'red' } as const)[change.change]
      const head = `${cli.paint(style, `${mark} ${oneLine(change.kind)} ${oneLine(change.name)}`)}\n`
      const fields = change.change === 'removed' ? [] : change.fields
      return head + fields.map((field) => `    ${fieldLine(cli, field)}\n`).join('')
    })
    .join('')
}

function fieldLine(cli: Cli, field: Difference['changes'][number]['fields'][number]): string {
  const before = field.before === undefined ? undefined : oneLine(field.before)
  const after = field.after === undefined ? undefined : oneLine(field.after)
  const value =
    before === undefined
      ? (after ?? '')
      : `${cli.paint('red', before)} → ${after === undefined ? 'removed' : cli.paint('green', after)}`
  return field.path === '' ? value : `${oneLine(field.path)}: ${value}`
}

/** Findings on standard error, where an editor's problem matcher finds them too. Returns whether any is an error. */
export function reportFindings(cli: Cli, findings: Difference['findings']): boolean {
  for (const finding of findings) cli.terminal.err(`${renderFinding(finding)}\n`)
  return findings.some((one) => one.severity === 'error')
}
