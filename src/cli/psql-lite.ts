import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Said } from '../wire/postgres/client.ts'
import type { Cli } from './cli.ts'
import { EXIT, Stop, usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import type { GatewayAccess } from './gateway-access.ts'
import { connectPostgres, PgError } from './pg-connection.ts'
import type { PgConnection, PgResult } from './pg-connection.ts'
import { reasonOf } from './private-file.ts'
import { renderRows } from './rows.ts'
import type { RowStyle } from './rows.ts'
import { splitStatements } from './split-statements.ts'
import { readStandardInput } from './standard-input.ts'

/** psql's own exit codes (its manual, "Exit Status"). */
const PSQL = { ok: 0, error: 1, connection: 2, script: 3 } as const
const CONNECTION_LOST = '08006'
const isLoopback = (host: string): boolean => /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host)
const LARGEST_SCRIPT = 64 * 1024 * 1024

export interface PsqlArguments {
  readonly commands: readonly string[]
  /** Text of `-f` files, in order; run after the commands. */
  readonly scripts: readonly string[]
  readonly quiet: boolean
  readonly style: RowStyle
  readonly stopOnError: boolean
}

/** The few options of psql that the small client knows; anything else says so. @throws Stop */
export function parsePsqlArguments(cli: Cli, args: readonly string[]): PsqlArguments {
  const commands: string[] = []
  const scripts: string[] = []
  let [quiet, unaligned, tuplesOnly, stopOnError] = [false, false, false, false]
  const words = args.flatMap((arg) => {
    const bundle = /^-([AtqX]+)([AtqXcf])(.*)$/s.exec(arg) // -Atc 'SELECT 1'
    if (bundle === null) return /^-[cfv]./s.test(arg) ? [arg.slice(0, 2), arg.slice(2)] : [arg]
    return [
      ...Array.from(bundle[1] ?? '', (letter) => `-${letter}`),
      `-${bundle[2]}`,
      ...(bundle[3] === '' ? [] : [bundle[3] ?? '']),
    ]
  })
  for (let i = 0; i < words.length; i++) {
    const [name = '', joined] = /^--[a-z-]+=/.test(words[i] ?? '') ? splitOnce(words[i] ?? '') : [words[i] ?? '']
    const value = (): string => {
      const given = joined ?? words[++i]
      if (given === undefined) throw usage(`${name} needs a value`)
      return given
    }
    if (name === '-c' || name === '--command') commands.push(value())
    else if (name === '-f' || name === '--file') scripts.push(readScript(cli, value()))
    else if (name === '-q' || name === '--quiet') quiet = true
    else if (name === '-A' || name === '--no-align') unaligned = true
    else if (name === '-t' || name === '--tuples-only') tuplesOnly = true
    else if (name === '-v' || name === '--set' || name === '--variable')
      stopOnError = /^ON_ERROR_STOP=(1|on|true)$/.test(value())
    else if (name !== '-X' && name !== '--no-psqlrc')
      throw usage(
        `the small client of hp does not know '${oneLine(name)}'`,
        'It knows -c, -f, -q, -A, -t and -v ON_ERROR_STOP=1. Install psql for the rest.',
      )
  }
  return { commands, scripts, quiet, stopOnError, style: { unaligned, tuplesOnly } }
}

const splitOnce = (text: string): [string, string] => [
  text.slice(0, text.indexOf('=')),
  text.slice(text.indexOf('=') + 1),
]

function readScript(cli: Cli, file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : path.resolve(cli.terminal.cwd, file), 'utf8')
  } catch (cause) {
    throw usage(`${oneLine(file)}: ${reasonOf(cause)}`)
  }
}

/** Runs commands, scripts, standard input or a prompt, as psql would, and answers with psql's exit code. */
export async function runPsqlLite(
  cli: Cli,
  access: GatewayAccess,
  resource: string,
  wanted: PsqlArguments,
  reason: string | undefined,
): Promise<number> {
  let connection: PgConnection
  try {
    connection = await connectPostgres({
      ...access,
      database: resource,
      password: access.token,
      // As libpq's sslmode=require elsewhere: SCRAM proves the gateway, its certificate may be its own.
      tls: isLoopback(access.host) ? 'disable' : 'require',
      onNotice: (said) => printSaid(cli, 'notice', said),
      ...(reason === undefined ? {} : { parameters: { 'holdpoint.reason': reason } }),
    })
  } catch (error) {
    if (!(error instanceof PgError)) throw error
    printSaid(cli, 'error', error.said)
    return PSQL.connection
  }
  const shell = new Shell(cli, connection, wanted)
  const stop = cli.terminal.onInterrupt(() => shell.interrupt())
  try {
    if (wanted.commands.length === 0 && wanted.scripts.length === 0) {
      if (cli.terminal.inIsTerminal) return await shell.prompt(resource)
      return await shell.runScript(await readStandardInput(cli, LARGEST_SCRIPT))
    }
    for (const command of wanted.commands) if (!(await shell.run(command))) return PSQL.error
    for (const script of wanted.scripts) {
      const code = await shell.runScript(script)
      if (code !== PSQL.ok) return code
    }
    return PSQL.ok
  } catch (error) {
    if (!(error instanceof PgError)) throw error
    printSaid(cli, 'error', error.said)
    return PSQL.connection
  } finally {
    stop()
    await connection.close()
  }
}

/** Sends exactly one text and prints what comes. Withdrawn or refused: 1. @throws Stop when the gateway cannot be reached. */
export async function runOneText(
  cli: Cli,
  access: GatewayAccess,
  resource: string,
  text: string,
  reason: string | undefined,
): Promise<number> {
  const code = await runPsqlLite(
    cli,
    access,
    resource,
    { commands: [text], scripts: [], quiet: false, stopOnError: true, style: { unaligned: false, tuplesOnly: false } },
    reason,
  )
  if (code === PSQL.connection) throw new Stop(EXIT.failed, 'the statement did not get through')
  return code
}

class Shell {
  readonly #cli: Cli
  readonly #connection: PgConnection
  readonly #wanted: PsqlArguments
  #busy = false

  constructor(cli: Cli, connection: PgConnection, wanted: PsqlArguments) {
    this.#cli = cli
    this.#connection = connection
    this.#wanted = wanted
  }

  /** Ctrl-C: cancels what runs or waits. */
  interrupt(): void {
    if (this.#busy) this.#connection.cancel().catch(() => undefined)
  }

  /** False after an error, which was printed. @throws PgError when the connection ended. */
  async run(text: string): Promise<boolean> {
    this.#busy = true
    try {
      for (const result of await this.#connection.query(text)) this.#print(result)
      return true
    } catch (error) {
      if (!(error instanceof PgError) || error.code === CONNECTION_LOST || error.said.severity === 'FATAL') throw error
      printSaid(this.#cli, 'error', error.said)
      return false
    } finally {
      this.#busy = false
    }
  }

  /** Statement by statement. An error does not stop it unless ON_ERROR_STOP is set. */
  async runScript(text: string): Promise<number> {
    const { whole, rest } = splitStatements(text)
    for (const statement of [...whole, rest]) {
      if (statement.trim() === '' || statement.trim() === '\\q') continue
      if (!(await this.run(statement)) && this.#wanted.stopOnError) return PSQL.script
    }
    return PSQL.ok
  }

  /** Lines until `\q` or the end of input; a statement runs when its semicolon has come. */
  async prompt(resource: string): Promise<number> {
    const { terminal } = this.#cli
    const lines = createInterface({ input: terminal.stdin, output: process.stdout, terminal: true })
    let text = ''
    const ask = (): void => {
      lines.setPrompt(`${oneLine(resource)}${text.trim() === '' ? '=>' : '->'} `)
      lines.prompt()
    }
    lines.on('SIGINT', () => {
      if (this.#busy) return this.interrupt()
      text = ''
      process.stdout.write('\n')
      ask()
    })
    ask()
    try {
      for await (const line of lines) {
        if (text.trim() === '' && /^\s*\\q\s*$|^\s*(quit|exit)\s*;?\s*$/i.test(line)) break
        if (text.trim() === '' && line.trimStart().startsWith('\\')) {
          terminal.err('This small client knows \\q only. Install psql for the rest.\n')
          ask()
          continue
        }
        text += `${line}\n`
        const { whole, rest } = splitStatements(text)
        text = rest.trim() === '' ? '' : rest
        for (const statement of whole) await this.run(statement)
        ask()
      }
      return PSQL.ok
    } finally {
      lines.close()
    }
  }

  #print({ columns, rows, tag }: PgResult): void {
    const { terminal } = this.#cli
    // A terminal obeys what is in the data; a file or a pipe gets it as it is.
    const shown = terminal.outIsTerminal ? oneLine : (text: string): string => text
    if (columns.length > 0) terminal.out(renderRows(columns, rows, this.#wanted.style, shown))
    else if (rows.length > 0) terminal.out(rows.map(([line]) => `${shown(line ?? '')}\n`).join(''))
    else if (!this.#wanted.quiet) terminal.out(`${oneLine(tag)}\n`)
  }
}

/** As psql prints them. */
function printSaid(cli: Cli, kind: 'notice' | 'error', said: Said): void {
  const style = kind === 'error' ? 'red' : 'yellow'
  const lines = [`${cli.paint(style, `${oneLine(said.severity)}:`)}  ${oneLine(said.message)}`]
  if (said.detail !== undefined) lines.push(`DETAIL:  ${oneLine(said.detail)}`)
  if (said.hint !== undefined) lines.push(`HINT:  ${oneLine(said.hint)}`)
  cli.terminal.err(`${lines.join('\n')}\n`)
}
