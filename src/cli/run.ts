import { CommanderError } from 'commander'
import { createCli } from './cli.ts'
import { EXIT } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { defineProgram } from './program.ts'
import type { Parts } from './program.ts'
import { paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'

/** One command line, from its words to its exit code. Never throws. */
export async function run(argv: readonly string[], terminal: Terminal, parts: Parts): Promise<number> {
  let exit: number = EXIT.ok
  const program = defineProgram(parts, async (command, input, common) => {
    const { readSettings } = await import('./settings.ts')
    const settings = readSettings(terminal, common)
    const choose = async () => (await import('./server.ts')).chooseServer(terminal, settings, common.as)
    exit = (await command(createCli(terminal, common, settings, choose), input as never)) ?? EXIT.ok
  })
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHelpWidth: () => terminal.columns ?? 80,
      getErrHelpWidth: () => terminal.columns ?? 80,
      getOutHasColors: () => terminal.colour,
      getErrHasColors: () => terminal.colour,
      outputError: (text, write) => write(twoLines(terminal, pathOf(command), text)),
    })
  }
  try {
    // What people try first with any program; it is the command of that name.
    const asked = argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V') ? ['version'] : [...argv]
    await program.parseAsync(asked, { from: 'user' })
    return exit
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    const { reportError } = await import('./report-error.ts')
    return reportError(terminal, error)
  }
}

type AnyCommand = ReturnType<typeof defineProgram>
const everyCommand = (command: AnyCommand): readonly AnyCommand[] => [
  command,
  ...command.commands.flatMap(everyCommand),
]

const pathOf = (command: AnyCommand): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`

/** Commander's `error: ...\n(Did you mean ...?)` as `error:` and `hint:`. */
function twoLines(terminal: Terminal, path: string, text: string): string {
  const [first = '', ...rest] = text.trimEnd().split('\n')
  const meant = /^\(Did you mean (.*)\?\)$/.exec(rest.join(' '))?.[1]
  // What was given too much may be a secret that somebody put on the command line: it is not repeated.
  const message = oneLine(first.replace(/^error: /, '').replace(/(Expected \d+ arguments? but got \d+):.*$/s, '$1.'))
  const hint = meant === undefined ? `See: ${path} --help` : `Did you mean ${oneLine(meant)}?`
  return `${paint(terminal, 'red', 'error:')} ${message}\n${paint(terminal, 'dim', 'hint:')} ${hint}\n`
}
