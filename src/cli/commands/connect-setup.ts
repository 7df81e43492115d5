import type { Cli } from '../cli.ts'
import { exposeLines, oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { verbsOf } from '../verbs.ts'

interface Input {
  readonly resource: string
  readonly printSql?: boolean
  readonly verb?: readonly string[]
}

/** The SQL alone goes to standard output, so that it can be read, kept and run; nothing is run from here. */
export async function run(cli: Cli, { resource, printSql, verb }: Input): Promise<void> {
  const verbs = verb === undefined ? undefined : verbsOf(verb).join(',')
  const setup = await (
    await cli.api()
  ).call('getTargetSetup', { params: { name: resource }, query: { ...optional({ verbs }) } })
  if (cli.wantsJson) return cli.json({ ...setup })
  for (const one of setup.notes) cli.note(oneLine(one))
  // A name may hold anything. What goes to a file is the SQL as it is; what goes to a terminal is shown.
  const sql = setup.sql.trimEnd()
  if (printSql === true) return cli.print(cli.terminal.columns === undefined ? sql : exposeLines(sql).join('\n'))
  // `admin` is granted to nobody: the SQL says why.
  cli.print(`A role ${oneLine(setup.role)} for ${setup.verbs.filter((verb) => verb !== 'admin').join(', ')}.`)
  cli.note(`The SQL that makes it: hp connect setup ${oneLine(resource)} --print-sql`)
}
