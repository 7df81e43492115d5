import { spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { constants as osConstants, tmpdir } from 'node:os'
import path from 'node:path'
import type { Cli } from '../cli.ts'
import { EXIT, Stop, usage } from '../exit.ts'
import { openGateway } from '../gateway-access.ts'
import type { GatewayAccess } from '../gateway-access.ts'
import { parsePsqlArguments, runPsqlLite } from '../psql-lite.ts'

interface Input {
  readonly resource: string
  readonly args: readonly string[]
  readonly reason?: string
}

/**
 * psql on a resource, through the gateway: the machine's own, or a small client of Holdpoint's where there is none.
 * Its exit code is passed on. Ctrl-C belongs to psql alone: it withdraws what waits.
 */
export async function run(cli: Cli, input: Input): Promise<number> {
  const args = input.args[0] === '--' ? input.args.slice(1) : input.args
  refuseOtherPlaces(args)
  const reason = input.reason ?? cli.settings.reason
  const psql = findProgram(cli.terminal.env, 'psql')
  if (psql === undefined) {
    const wanted = parsePsqlArguments(cli, args)
    const access = await openGateway(cli, 'hp psql')
    try {
      return await runPsqlLite(cli, access, input.resource, wanted, reason)
    } finally {
      await access.forget()
    }
  }
  const access = await openGateway(cli, 'hp psql')
  try {
    return await runPsql(cli, psql, access, input.resource, args, reason)
  } finally {
    await access.forget()
  }
}

/** The first of that name on PATH that may be run; `HP_PSQL=lite` chooses our own. */
function findProgram(env: Cli['terminal']['env'], name: string): string | undefined {
  if (env['HP_PSQL'] === 'lite') return undefined
  for (const folder of (env['PATH'] ?? '').split(path.delimiter)) {
    if (folder === '') continue
    const file = path.join(folder, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // Not here.
    }
  }
  return undefined
}

/** The host, user and database are the gateway's: an option that changed them would take the token elsewhere. */
function refuseOtherPlaces(args: readonly string[]): void {
  const found = args.find((arg) => /^(-[hpUd]|--(host|port|username|dbname|password)\b)/.test(arg))
  if (found !== undefined)
    throw usage(
      `hp psql chooses where to connect and as whom: '${found}' may not be given`,
      'For a connection of your own: hp connect RESOURCE',
    )
}

/** libpq's settings that would lead elsewhere, or that stand above the password file. */
const LEADING_ELSEWHERE = new Set([
  'PGPASSWORD',
  'PGSERVICE',
  'PGSERVICEFILE',
  'PGHOSTADDR',
  'PGSYSCONFDIR',
  'PGREQUIREAUTH',
])

async function runPsql(
  cli: Cli,
  program: string,
  access: GatewayAccess,
  resource: string,
  args: readonly string[],
  reason: string | undefined,
): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hp-'))
  const passFile = path.join(folder, 'pass')
  const clean = (): void => rmSync(folder, { recursive: true, force: true })
  process.on('exit', clean)
  try {
    const escaped = (text: string): string => text.replace(/[\\:]/g, (character) => `\\${character}`)
    // The password goes to this host, port and user only, whatever \connect is told later.
    writeFileSync(
      passFile,
      `${escaped(access.host)}:${access.port}:*:${escaped(access.user)}:${escaped(access.token)}\n`,
      { mode: 0o600, flag: 'wx' },
    )
    const inherited = Object.fromEntries(
      Object.entries(cli.terminal.env).filter(([name]) => !LEADING_ELSEWHERE.has(name)),
    )
    return await waitFor(cli, program, args, {
      ...inherited,
      PGHOST: access.host,
      PGPORT: String(access.port),
      PGUSER: access.user,
      PGDATABASE: resource,
      PGPASSFILE: passFile,
      PGGSSENCMODE: 'disable',
      ...(reason === undefined
        ? {}
        : { PGOPTIONS: [inherited['PGOPTIONS'], reasonOption(reason)].filter(Boolean).join(' ') }),
    })
  } finally {
    process.off('exit', clean)
    clean()
  }
}

/** As pg_split_opts reads it: a backslash before every space and backslash. */
const reasonOption = (reason: string): string =>
  `-c holdpoint.reason=${reason.replace(/[\\\s]/g, (character) => `\\${character}`)}`

const signalNumber = (name: NodeJS.Signals): number => osConstants.signals[name]

async function waitFor(cli: Cli, program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(program, [...args], { env, stdio: 'inherit' })
  // On a terminal the whole foreground group gets Ctrl-C; elsewhere it came to us alone, and psql needs it.
  const stopInterrupt = cli.terminal.onInterrupt(() => {
    if (!cli.terminal.inIsTerminal) child.kill('SIGINT')
  })
  const forward = (name: NodeJS.Signals): void => void child.kill(name)
  process.on('SIGTERM', forward).on('SIGHUP', forward)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', (cause) => reject(new Stop(EXIT.failed, 'psql could not be started', undefined, { cause })))
      child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : signalNumber(signal))))
    })
  } finally {
    process.off('SIGTERM', forward).off('SIGHUP', forward)
    stopInterrupt()
  }
}
