import type { Command } from 'commander'
import { EXIT } from './exit.ts'

const MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'ok',
  failed: 'failed',
  usage: 'the command line is wrong',
  notSignedIn: 'not signed in',
  notFound: 'not found, or not to be seen',
  pending: 'pending, or gave up waiting: may be tried again',
  denied: 'denied, by a person, by policy or by your roles',
  withdrawn: 'withdrawn (Ctrl-C)',
}

const INTRODUCTION = `# The command line

Made from the definitions of the commands (\`src/cli/program.ts\`); a test keeps the two equal.

Data goes to standard output, everything else to standard error. \`--json\` prints one object with \`"v":1\` in it, or one
such object a line where things stream (\`watch\`, \`record\`, \`sessions ID\`, \`policy explain --batch\`); fields are added to it and
never taken away. \`--quiet\` leaves the data alone, \`--no-input\` never asks, \`NO_COLOR\` is honoured, and nothing moves away
from a terminal.

Text from elsewhere is shown in a way that no terminal obeys and no eye misreads: control, bidirectional and invisible
characters, and letters that pass for others, stand as \`⟨U+202E⟩\`. \`hp review\` never cuts anything off.

## Settings

The first that is set wins: a flag, the environment, \`./.holdpoint.yaml\`, \`$XDG_CONFIG_HOME/holdpoint/config.yaml\`,
\`/etc/holdpoint/config.yaml\`.

| Setting | Flag | Environment | In files | |
|---|---|---|---|---|
| address of the server | \`--server\` | \`HP_URL\` | \`server\` | never in \`./.holdpoint.yaml\`: a file of the working directory does not choose who gets your token |
| output | \`--json\` | \`HP_OUTPUT\` | \`output\` | \`table\` or \`json\` |
| reason | \`--reason\` | \`HP_REASON\` | \`reason\` | what reviewers read |
| token | | \`HP_TOKEN_FILE\`, \`HP_TOKEN\` | | for machines; people sign in with \`hp login\` |
| the demo | \`--as\` | \`HP_DEMO_FILE\` | | takes on somebody of the demo's cast, in the demo only |
| psql | | \`HP_PSQL=lite\` | | the small client of hp even where psql is installed |

Without any of these, and without a sign-in, \`hp\` speaks to the demo of this machine when one runs, as Ana.

Tokens lie in \`$XDG_CONFIG_HOME/holdpoint/tokens.json\`, each under the origin that gave it, and are sent there only: a redirect
elsewhere is refused. A token file that others can read is refused too. Secrets come from a prompt, from standard input or
from a file, never from the command line.

## Exit codes

| Code | Meaning |
|---|---|
${Object.entries(EXIT)
  .map(([name, code]) => `| ${code} | ${MEANING[name as keyof typeof EXIT]} |`)
  .join('\n')}

After psql has started, its own exit code is passed on. \`request\`, \`extend\`, \`retry\` and \`apply\` end with ${EXIT.pending} when somebody
must agree first; \`--wait\` waits instead. \`hp wait\` ends with ${EXIT.ok} for approved, ${EXIT.denied} for denied, ${EXIT.pending} for still
pending, expired or voided.

## Common options

`

/** docs/cli.md, from the definitions of the commands. */
export function renderManual(program: Command): string {
  const leaves = listLeaves(program)
  const groups = [...new Set(leaves.map((leaf) => leaf.group))]
  return (
    INTRODUCTION +
    optionTable(program) +
    groups
      .map((group) => {
        const own = leaves.filter((leaf) => leaf.group === group)
        return `\n## ${group.replace(/:$/, '')}\n${own.map(({ command, path }) => section(command, path)).join('')}`
      })
      .join('')
  )
}

interface Leaf {
  readonly command: Command
  readonly path: string
  readonly group: string
}

function listLeaves(program: Command): readonly Leaf[] {
  const walk = (command: Command, path: string, group: string): readonly Leaf[] => {
    const below = command.commands.flatMap((one) => walk(one, `${path} ${one.name()}`, group))
    // A command with commands below it that also does something itself, as `hp token`.
    return below.length === 0 || command.registeredArguments.length > 0 || command.options.length > 0
      ? [{ command, path, group }, ...below]
      : below
  }
  return program.commands.flatMap((one) => walk(one, `hp ${one.name()}`, one.helpGroup()))
}

function section(command: Command, path: string): string {
  const args = command.registeredArguments.map((one) => {
    const name = one.variadic ? `${one.name()}...` : one.name()
    return one.required ? ` <${name}>` : ` [${name}]`
  })
  const alias = command.alias() === undefined ? '' : ` (also \`hp ${command.alias()}\`)`
  return `\n### \`${path}${args.join('')}\`\n\n${command.description()}${alias}\n${optionTable(command)}`
}

const COMMON = new Set(['--json', '--quiet', '--no-input', '--server', '--as'])

function optionTable(command: Command): string {
  const isRoot = command.parent === null
  const shown = command.options.filter(
    (one) => isRoot || !COMMON.has(one.long ?? '') || (one.long === '--as' && one.description.includes('who would')),
  )
  const rows = shown.map((one) => `| \`${one.flags}\` | ${one.description}${one.mandatory ? ' (needed)' : ''} |\n`)
  return rows.length === 0 ? '' : `${isRoot ? '' : '\n'}| Option | |\n|---|---|\n${rows.join('')}`
}
