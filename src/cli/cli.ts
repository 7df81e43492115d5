import { Unreachable } from '../contract/client.ts'
import type { Client } from '../contract/client.ts'
import type { Answer } from '../contract/routes.ts'
import { EXIT, Stop } from './exit.ts'
import { oneLine, safeJson } from './exposed-text.ts'
import type { Server } from './server.ts'
import type { Settings } from './settings.ts'
import { paint } from './terminal.ts'
import type { Style, Terminal } from './terminal.ts'

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean
  readonly quiet?: boolean
  /** False with `--no-input`. */
  readonly input?: boolean
  readonly server?: string
  readonly as?: string
}

export type AccessRequest = Answer<'getRequest'>
export type Resource = Answer<'getResource'>

/** What a command works with. Data goes to `print` and `json`, everything else to `note`. */
export interface Cli {
  readonly terminal: Terminal
  readonly settings: Settings
  /** One object or list, versioned, instead of text. */
  readonly wantsJson: boolean
  readonly quiet: boolean
  /** A person is there to be asked: both ends are terminals and `--no-input` was not given. */
  readonly mayAsk: boolean
  server(): Promise<Server>
  api(): Promise<Client>
  /** Data for people. Safe text only: whatever comes from elsewhere goes through `oneLine` or `exposeLines` first. */
  print(text: string): void
  /** `{"v":1,...}`, on one line. */
  json(value: Readonly<Record<string, unknown>>): void
  /** For people, on standard error; silent with `--quiet`. */
  note(text: string): void
  paint(style: Style, text: string): string
  now(): number
}

export function createCli(
  terminal: Terminal,
  options: CommonOptions,
  settings: Settings,
  chooseServer: () => Promise<Server>,
): Cli {
  let chosen: Promise<Server> | undefined
  const server = (): Promise<Server> => (chosen ??= chooseServer())
  const wantsJson = settings.output === 'json'
  return {
    terminal,
    settings,
    wantsJson,
    quiet: options.quiet === true,
    mayAsk: options.input !== false && terminal.inIsTerminal && terminal.errIsTerminal,
    server,
    api: async () => (await server()).client,
    print: (text) => {
      terminal.out(text.endsWith('\n') ? text : `${text}\n`)
    },
    json: (value) => {
      terminal.out(`${safeJson({ v: 1, ...value })}\n`)
    },
    note: (text) => {
      if (options.quiet !== true) terminal.err(text.endsWith('\n') ? text : `${text}\n`)
    },
    paint: (style, text) => paint(terminal, style, text),
    now: () => terminal.now(),
  }
}

/**
 * Runs `work`, again with the same idempotency key while no answer comes and the server may simply be restarting.
 * Only for changes whose route honours the key.
 */
export async function onceDespiteLoss<T>(work: (idempotencyKey: string) => Promise<T>): Promise<T> {
  const key = globalThis.crypto.randomUUID()
  try {
    return await work(key)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    return work(key)
  }
}

/** The person that the token belongs to. @throws Stop when there is no token. */
export async function signedIn(cli: Cli): Promise<Answer<'getMe'>> {
  const { client, as, origin } = await cli.server()
  if (as === 'nobody')
    throw new Stop(EXIT.notSignedIn, `you are not signed in to ${oneLine(origin)}`, 'Sign in with: hp login')
  return client.call('getMe', {})
}
