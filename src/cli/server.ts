import { readFileSync } from 'node:fs'
import { createClient } from '../contract/client.ts'
import type { Client } from '../contract/client.ts'
import type { Answer } from '../contract/routes.ts'
import { readDemoCast } from './demo-cast.ts'
import type { DemoCast } from './demo-cast.ts'
import { EXIT, Stop, usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { readPrivateFile } from './private-file.ts'
import type { Settings } from './settings.ts'
import { readSignIns } from './sign-ins.ts'
import type { Terminal } from './terminal.ts'

/** Where a server listens when nothing says otherwise. */
const DEFAULT_URL = 'http://127.0.0.1:7400'
/** A demo that does not answer in this time is not there. Milliseconds. */
const DEMO_ANSWERS_WITHIN = 2_000

/** The server that commands speak to, and as whom. */
export interface Server {
  readonly client: Client
  readonly origin: string
  /** `token`: given by the environment. */
  readonly as: 'signed_in' | 'token' | 'demo' | 'nobody'
  /** Who of the demo's cast. */
  readonly person?: string
}

let versionRead: string | undefined
export const version = (): string =>
  (versionRead ??= (
    JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  ).version)

/**
 * Chooses the server and the token by the settings. The token belongs to one origin and is sent nowhere else.
 * @throws Stop when the settings contradict each other.
 */
export async function chooseServer(
  terminal: Pick<Terminal, 'env'>,
  settings: Settings,
  as: string | undefined,
): Promise<Server> {
  const { env } = terminal
  const named = settings.server === undefined ? undefined : originOf(settings.server, settings.serverFrom ?? '')
  const cast = readDemoCast(env)
  if (as !== undefined) return actAs(as, cast, named)

  const given = tokenFromEnvironment(settings)
  if (given !== undefined) return open(named ?? DEFAULT_URL, 'token', given)

  const signIns = readSignIns(env)
  const origin = named ?? signIns.current
  if (origin !== undefined) {
    const token = Object.hasOwn(signIns.tokens, origin) ? signIns.tokens[origin]?.text : undefined
    return open(origin, token === undefined ? 'nobody' : 'signed_in', token)
  }
  if (cast !== undefined && (await answersAsDemo(cast.origin)))
    return open(cast.origin, 'demo', cast.tokenOf(cast.default), cast.default)
  return open(DEFAULT_URL, 'nobody')
}

/** The same server, with another token or none: for signing in. */
export const openServer = (origin: string, token?: string): Client =>
  createClient({ url: origin, agent: `hp/${version()}`, token: () => token })

/** @throws Stop unless `text` is an http or https address. */
export function originOf(text: string, from: string): string {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw usage(`${from}: '${oneLine(text)}' is not an http or https address`)
  if (url.username !== '' || url.password !== '') throw usage(`${from}: the address must not hold a user or a password`)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw usage(`${from}: the address must end after its host and port, as in ${url.origin}`)
  return url.origin
}

async function actAs(name: string, cast: DemoCast | undefined, named: string | undefined): Promise<Server> {
  if (cast === undefined || (named !== undefined && named !== cast.origin) || !(await answersAsDemo(cast.origin))) {
    throw usage(
      '--as takes on the people of the demo, and no demo is running here',
      'Start it with: npm start. Elsewhere everybody signs in as themselves: hp login',
    )
  }
  return open(cast.origin, 'demo', cast.tokenOf(name), name)
}

/** Whether a demo listens there. Asked without a token. */
async function answersAsDemo(origin: string): Promise<boolean> {
  try {
    const info: Answer<'getInfo'> = await openServer(origin).call(
      'getInfo',
      {},
      { signal: AbortSignal.timeout(DEMO_ANSWERS_WITHIN) },
    )
    return info.demo
  } catch {
    return false
  }
}

function tokenFromEnvironment(settings: Settings): string | undefined {
  if (settings.tokenFile !== undefined) {
    const text = readPrivateFile(settings.tokenFile)?.trim()
    if (text === undefined || text === '')
      throw new Stop(EXIT.notSignedIn, `HP_TOKEN_FILE: there is no token in ${oneLine(settings.tokenFile)}`)
    return checkToken(text, 'HP_TOKEN_FILE')
  }
  return settings.token === undefined ? undefined : checkToken(settings.token, 'HP_TOKEN')
}

/** A header value: what is not printable ASCII was never a token, and is not repeated in the error. */
function checkToken(text: string, from: string): string {
  if (!/^[\x21-\x7e]{1,4096}$/.test(text)) throw usage(`${from} does not hold a token`)
  return text
}

const open = (origin: string, as: Server['as'], token?: string, person?: string): Server => ({
  client: openServer(origin, token),
  origin,
  as,
  ...(person === undefined ? {} : { person }),
})
