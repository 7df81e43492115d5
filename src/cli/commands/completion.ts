import type { Command } from 'commander'
import { usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import type { Run } from '../program.ts'

interface Node {
  /** `policy explain`, empty for the root. */
  readonly path: string
  readonly words: readonly { readonly word: string; readonly about: string }[]
}

/** Completions made from the command definitions themselves. */
export const completionOf =
  (program: Command): Run<{ readonly shell: string }> =>
  async (cli, { shell }) => {
    const nodes = listNodes(program, '')
    const scripts: Readonly<Record<string, () => string>> = {
      bash: () => bash(nodes),
      zsh: () => zsh(nodes),
      fish: () => fish(nodes),
    }
    const make = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined
    if (make === undefined)
      throw usage(`there are no completions for '${oneLine(shell)}'`, 'There are for bash, zsh and fish.')
    cli.print(make())
    await Promise.resolve()
  }

function listNodes(command: Command, path: string): readonly Node[] {
  const words = [
    ...command.commands.map((one) => ({ word: one.name(), about: one.description() })),
    ...command.options
      .filter((one) => one.long !== undefined)
      .map((one) => ({ word: one.long ?? '', about: one.description })),
  ]
  return [{ path, words }, ...command.commands.flatMap((one) => listNodes(one, `${path} ${one.name()}`.trim()))]
}

const branches = (nodes: readonly Node[], body: (node: Node) => string): string =>
  nodes.map((node) => `    '${node.path}') ${body(node)} ;;`).join('\n')

/** Walks the words so far down the tree; the same in bash and zsh but for where arrays begin. */
const bash = (nodes: readonly Node[]): string => `# hp completions for bash: eval "$(hp completion bash)"
_hp() {
  local path='' word i cur=\${COMP_WORDS[COMP_CWORD]}
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "\${path:+$path }$word" in
${nodes
  .filter((node) => node.path !== '')
  .map((node) => `      '${node.path}')`)
  .join('|\n')
  .replaceAll(')|\n', '|')} path="\${path:+$path }$word" ;;
    esac
  done
  local words
  case "$path" in
${branches(nodes, (node) => `words='${node.words.map((one) => one.word).join(' ')}'`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _hp hp holdpoint`

const zsh = (nodes: readonly Node[]): string => `#compdef hp holdpoint
# hp completions for zsh: eval "$(hp completion zsh)"
_hp() {
  local at='' word
  for word in \${words[2,CURRENT-1]}; do
    case "\${at:+$at }$word" in
      ${nodes
        .filter((node) => node.path !== '')
        .map((node) => `'${node.path}'`)
        .join('|')}) at="\${at:+$at }$word" ;;
    esac
  done
  local -a found
  case "$at" in
${branches(nodes, (node) => `found=(${node.words.map((one) => `'${quoted(`${one.word}:${one.about}`)}'`).join(' ')})`)}
  esac
  _describe -t commands hp found || _files
}
compdef _hp hp holdpoint`

const fish = (nodes: readonly Node[]): string =>
  [
    '# hp completions for fish: hp completion fish | source',
    ...nodes.flatMap((node) =>
      node.words.map(({ word, about }) => {
        const seen =
          node.path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${node.path.split(' ').at(-1)}`
        const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`
        return `complete -c hp -n '${seen}' ${what} -d '${about.replaceAll("'", "\\'")}'`
      }),
    ),
  ].join('\n')

const quoted = (text: string): string => text.replaceAll("'", "'\\''")
