import type { Cli } from '../cli.ts'
import { readDocuments } from '../documents.ts'
import { EXIT } from '../exit.ts'
import { renderFinding } from '../findings.ts'

/** Findings are the data here: `path:line:col: error: message` on standard output. */
export async function run(cli: Cli, input: { readonly file?: readonly string[] }): Promise<number> {
  const body = input.file === undefined ? {} : { files: [...(await readDocuments(cli, input.file))] }
  const { findings } = await (await cli.api()).call('checkDocuments', { body })
  const errors = findings.filter((one) => one.severity === 'error').length
  if (cli.wantsJson) cli.json({ findings })
  else {
    for (const finding of findings) cli.print(renderFinding(finding))
    const warnings = findings.length - errors
    cli.note(`${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`)
  }
  return errors > 0 ? EXIT.failed : EXIT.ok
}
