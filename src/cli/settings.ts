import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { parse } from 'yaml'
import { usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { optional } from './optional.ts'
import { reasonOf } from './private-file.ts'
import type { Terminal } from './terminal.ts'

/** Settings that files may hold. Every one has a flag or an environment variable that wins over it. */
export interface FileSettings {
  /** The server's address. Never taken from a file of the working directory. */
  readonly server?: string
  readonly output?: 'table' | 'json'
  readonly reason?: string
}

export interface Settings extends FileSettings {
  /** Where `server` came from, for sentences. */
  readonly serverFrom?: string
  readonly tokenFile?: string
  readonly token?: string
}

export interface Flags {
  readonly server?: string | undefined
  readonly json?: boolean | undefined
}

type Environment = Terminal['env']
const nonEmpty = (text: string | undefined): string | undefined =>
  text === undefined || text === '' ? undefined : text
const home = (env: Environment): string => nonEmpty(env['HOME']) ?? homedir()

/** `$XDG_CONFIG_HOME/holdpoint`. */
export const configDir = (env: Environment): string =>
  path.join(nonEmpty(env['XDG_CONFIG_HOME']) ?? path.join(home(env), '.config'), 'holdpoint')
/** `$XDG_STATE_HOME/holdpoint`. */
export const stateDir = (env: Environment): string =>
  path.join(nonEmpty(env['XDG_STATE_HOME']) ?? path.join(home(env), '.local', 'state'), 'holdpoint')

const OUTPUTS = ['table', 'json'] as const
const KEYS = ['server', 'output', 'reason'] as const

/** Flag, then environment, then ./.holdpoint.yaml, then the user's file, then the system's. @throws Stop */
export function readSettings(terminal: Pick<Terminal, 'env' | 'cwd'>, flags: Flags): Settings {
  const { env } = terminal
  const project = readFile(path.join(terminal.cwd, '.holdpoint.yaml'))
  if (project.server !== undefined) {
    throw usage(
      './.holdpoint.yaml names a server; a file of the working directory may not, since it would receive your token',
      `Remove it there, and set HP_URL or the server in ${path.join(configDir(env), 'config.yaml')}.`,
    )
  }
  const userFile = path.join(configDir(env), 'config.yaml')
  const user = readFile(userFile)
  const systemFile = '/etc/holdpoint/config.yaml'
  const system = readFile(nonEmpty(env['HP_SYSTEM_CONFIG']) ?? systemFile)
  const output = nonEmpty(env['HP_OUTPUT'])
  if (output !== undefined && !isOutput(output))
    throw usage(`HP_OUTPUT is '${oneLine(output)}'; it may be table or json`)

  const servers: readonly (readonly [string | undefined, string])[] = [
    [flags.server, '--server'],
    [nonEmpty(env['HP_URL']), 'HP_URL'],
    [user.server, userFile],
    [system.server, systemFile],
  ]
  const found = servers.find(([value]) => value !== undefined)
  return optional({
    server: found?.[0],
    serverFrom: found?.[1],
    output: flags.json === true ? 'json' : (output ?? project.output ?? user.output ?? system.output),
    reason: nonEmpty(env['HP_REASON']) ?? project.reason ?? user.reason ?? system.reason,
    tokenFile: nonEmpty(env['HP_TOKEN_FILE']),
    token: nonEmpty(env['HP_TOKEN']),
  })
}

const isOutput = (text: unknown): text is (typeof OUTPUTS)[number] => OUTPUTS.some((one) => one === text)

function readFile(file: string): FileSettings {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return {}
    throw usage(`${oneLine(file)} cannot be read: ${reasonOf(cause)}`)
  }
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 0, uniqueKeys: true })
  } catch (cause) {
    throw usage(`${oneLine(file)}: ${oneLine(cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : '')}`)
  }
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw usage(`${oneLine(file)} must hold settings, one a line`)
  for (const [key, given] of Object.entries(value)) {
    if (!KEYS.some((one) => one === key))
      throw usage(`${oneLine(file)}: there is no setting '${oneLine(key)}'`, `Settings: ${KEYS.join(', ')}.`)
    if (typeof given !== 'string' || given === '') throw usage(`${oneLine(file)}: ${key} must be text`)
    if (key === 'output' && !isOutput(given)) throw usage(`${oneLine(file)}: output may be table or json`)
  }
  return value
}
