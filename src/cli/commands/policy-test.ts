import type { Cli } from '../cli.ts'
import { readDocuments } from '../documents.ts'
import { EXIT } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'

/** The last line counts: `N passed, N failed`. */
export async function run(cli: Cli, input: { readonly file?: readonly string[] }): Promise<number> {
  const body = input.file === undefined ? {} : { files: [...(await readDocuments(cli, input.file))] }
  const report = await (await cli.api()).call('testDocuments', { body })
  if (cli.wantsJson) cli.json({ ...report })
  else {
    for (const test of report.tests) {
      if (test.passed) {
        if (!cli.quiet) cli.print(`${cli.paint('green', 'ok')}    ${oneLine(test.name)}`)
        continue
      }
      const place = [test.path, test.line].filter((part) => part !== undefined).join(':')
      cli.print(
        `${cli.paint('red', 'FAIL')}  ${oneLine(test.name)}${place === '' ? '' : cli.paint('dim', `  ${oneLine(place)}`)}`,
      )
      for (const difference of test.differences) cli.print(`      ${oneLine(difference)}`)
    }
    cli.print(`${report.passed} passed, ${report.failed} failed`)
  }
  return report.failed > 0 ? EXIT.failed : EXIT.ok
}
