import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { run } from '../../src/cli/run.ts'
import type { Terminal } from '../../src/cli/terminal.ts'

/**
 * A transcript: comments (`#`), commands (`$ hp ...`) with what they print, and files (`-- name --`, mode in
 * brackets) that stand in the working directory, which is the home directory too. Standard error is marked `2>`,
 * an exit code other than 0 stands in brackets. `$ORIGIN` is the server's address, `$HOME` the directory.
 */
export interface Transcript {
  readonly world: string
  readonly columns: number | undefined
  readonly parts: readonly Part[]
  readonly files: readonly { readonly name: string; readonly mode: number; readonly text: string }[]
}
type Part =
  | { readonly kind: 'comment'; readonly line: string }
  | { readonly kind: 'command'; readonly line: string; readonly expected: string }

export function readTranscript(text: string): Transcript {
  const [, body = '', rest = ''] = /^([\s\S]*?)(^-- [\s\S]*)?$(?![\s\S])/m.exec(text) ?? []
  const files = [...rest.matchAll(/^-- (\S+?)(?: \((0\d+)\))? --\n([\s\S]*?)(?=^-- |$(?![\s\S]))/gm)].map(
    ([, name = '', mode = '0600', content = '']) => ({ name, mode: Number.parseInt(mode, 8), text: content }),
  )
  const parts: Part[] = []
  let command: { line: string; expected: string } | undefined
  const flush = (): void => {
    if (command !== undefined) parts.push({ kind: 'command', ...command })
    command = undefined
  }
  for (const line of body.split('\n')) {
    if (line.startsWith('$ ')) {
      flush()
      command = { line, expected: '' }
    } else if (
      line.startsWith('#') &&
      (command === undefined || command.expected.endsWith('\n\n') || command.expected.trim() === '')
    ) {
      flush()
      parts.push({ kind: 'comment', line })
    } else if (command !== undefined) command.expected += `${line}\n`
    else parts.push({ kind: 'comment', line })
  }
  flush()
  return {
    world: /^# world: (\S+)/m.exec(body)?.[1] ?? 'shop',
    columns: Number(/^# columns: (\d+)/m.exec(body)?.[1]) || undefined,
    parts,
    files,
  }
}

export interface Surroundings {
  readonly origin: string
  readonly env: Readonly<Record<string, string>>
  readonly now: number
}

/** Plays it; answers with the transcript as it really was, to be compared with the file. */
export async function play(transcript: Transcript, around: Surroundings): Promise<string> {
  const home = realpathSync(mkdtempSync(path.join(tmpdir(), 'hp-transcript-')))
  const replaced = (text: string): string => text.replaceAll('$ORIGIN', around.origin).replaceAll('$HOME', home)
  try {
    for (const file of transcript.files) {
      const name = path.join(home, file.name)
      mkdirSync(path.dirname(name), { recursive: true, mode: 0o700 })
      writeFileSync(name, replaced(file.text), { mode: file.mode })
    }
    let seen = ''
    for (const part of transcript.parts) {
      if (part.kind === 'comment') {
        seen += `${part.line}\n`
        continue
      }
      const { env, argv, input } = readCommand(replaced(part.line.slice(2)))
      let out = ''
      let err = ''
      const terminal: Terminal = {
        env: { HOME: home, HP_SYSTEM_CONFIG: path.join(home, 'system.yaml'), PATH: '', ...around.env, ...env },
        cwd: home,
        stdin: Readable.from(input === undefined ? [] : [Buffer.from(input)]),
        inIsTerminal: false,
        outIsTerminal: transcript.columns !== undefined,
        errIsTerminal: false,
        colour: false,
        columns: transcript.columns,
        out: (text) => (out += text),
        err: (text) => (err += text),
        now: () => around.now,
        onInterrupt: () => () => undefined,
      }
      const nothing = (): Promise<void> => Promise.resolve()
      const code = await run(argv, terminal, { start: nothing, tour: nothing, backup: nothing, restore: nothing })
      const marked = err.replaceAll(/^(?=.)/gm, '2> ').replaceAll(/^$(?=\n)/gm, '2>')
      const all = `${out}${marked}${code === 0 ? '' : `[${code}]\n`}`
      seen += `${part.line}\n${all.replaceAll(around.origin, '$ORIGIN').replaceAll(home, '$HOME')}${trailing(part.expected)}`
    }
    return seen
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Blank lines between a command's output and what follows belong to the reader. */
const trailing = (expected: string): string => (expected.endsWith('\n\n') || expected === '\n' ? '\n' : '')

/** `NAME=value hp words 'quoted words' < 'text'`, as a shell would read it, without anything else of a shell. */
function readCommand(line: string): { env: Record<string, string>; argv: string[]; input: string | undefined } {
  const words = [...line.matchAll(/(?:[^\s'"]|'[^']*'|"(?:[^"\\]|\\.)*")+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|"((?:[^"\\]|\\.)*)"/g, (_, single: string | undefined, double: string | undefined) =>
      (single ?? double?.replaceAll(/\\(.)/g, '$1') ?? '').replaceAll('\\n', '\n'),
    ),
  )
  const start = words.indexOf('hp')
  const redirect = words.indexOf('<')
  const env = Object.fromEntries(
    words.slice(0, start).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  )
  return {
    env,
    argv: words.slice(start + 1, redirect < 0 ? undefined : redirect),
    input: redirect < 0 ? undefined : words.slice(redirect + 1).join(' '),
  }
}
