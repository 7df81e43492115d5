import type { Cli } from '../cli.ts'
import { renderDifference, reportFindings } from '../difference.ts'
import { readDocuments } from '../documents.ts'
import { EXIT } from '../exit.ts'

export async function run(
  cli: Cli,
  input: { readonly file: readonly string[]; readonly prune?: true },
): Promise<number> {
  const files = await readDocuments(cli, input.file)
  const difference = await (
    await cli.api()
  ).call('diffDocuments', { body: { files: [...files], prune: input.prune === true } })
  if (cli.wantsJson) cli.json({ ...difference })
  const failed = cli.wantsJson
    ? difference.findings.some((one) => one.severity === 'error')
    : reportFindings(cli, difference.findings)
  if (!cli.wantsJson) {
    cli.print(renderDifference(cli, difference))
    if (difference.changes.length === 0 && !failed) cli.note(`No difference to revision ${difference.base}.`)
  }
  return failed ? EXIT.failed : EXIT.ok
}
