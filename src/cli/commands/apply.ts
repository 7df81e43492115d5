import { afterAsking } from '../after-asking.ts'
import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { renderDifference, reportFindings } from '../difference.ts'
import { readDocuments } from '../documents.ts'
import { EXIT, usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'

interface Input {
  readonly file: readonly string[]
  readonly prune?: true
  readonly base?: string
  readonly reason?: string
  readonly wait?: string | true
}

export async function run(cli: Cli, input: Input): Promise<number> {
  if (input.base !== undefined && !/^[0-9]{1,15}$/.test(input.base))
    throw usage('--base must be the number of a revision')
  const files = await readDocuments(cli, input.file)
  const client = await cli.api()
  const body = {
    files: [...files],
    prune: input.prune === true,
    ...optional({
      base: input.base === undefined ? undefined : Number(input.base),
      reason: input.reason ?? cli.settings.reason,
    }),
  }
  const applied = await onceDespiteLoss((idempotencyKey) => client.call('applyDocuments', { body }, { idempotencyKey }))
  if (applied.kind === 'held') {
    if (!cli.wantsJson) {
      reportFindings(cli, applied.difference.findings)
      cli.note(renderDifference(cli, applied.difference))
    }
    const request = await client.call('getRequest', { params: { id: applied.request } })
    return afterAsking(cli, request, input.wait)
  }
  if (cli.wantsJson) {
    cli.json({ ...applied })
    return EXIT.ok
  }
  if (applied.kind === 'unchanged') {
    cli.print(`unchanged: revision ${applied.revision} is in force`)
    return EXIT.ok
  }
  reportFindings(cli, applied.difference.findings)
  cli.print(renderDifference(cli, applied.difference))
  for (const note of applied.notes) cli.print(`  ${oneLine(note)}`)
  cli.print(`applied: revision ${applied.revision} is in force`)
  return EXIT.ok
}
