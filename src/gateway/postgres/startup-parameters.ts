import { readRun } from '../../domain/policy/run.ts'
import { isHarmlessSetting } from '../../classify/postgres/settings.ts'

/*
 * What a client may set when it connects is what it may SET right after: harmless parameters, by the one list that
 * classification has. `search_path` is among them and is read back from the target before the first statement is
 * classified, so that it shadows nothing unseen (CVE-2025-12819); what would be `admin` as a SET is refused here, where
 * there is nobody to ask.
 */

/** Of a transaction that there is none of yet; and a seed that belongs to no session. */
const NOT_WHEN_CONNECTING: ReadonlySet<string> = new Set([
  'seed',
  'transaction_deferrable',
  'transaction_isolation',
  'transaction_read_only',
])

export interface Startup {
  /** As the client typed it; checked against the accounts, never passed on. */
  readonly user: string
  readonly resource: string
  /** Undefined for the resource's own. */
  readonly database: string | undefined
  readonly applicationName: string
  readonly reason: string | undefined
  /** For the target. */
  readonly settings: ReadonlyMap<string, string>
}
export type StartupRead =
  | { readonly ok: true; readonly startup: Startup; readonly unknownOptions: readonly string[] }
  | { readonly ok: false; readonly code: string; readonly message: string }

const no = (code: string, message: string): StartupRead => ({ ok: false, code, message })

/** Reads the parameters of a StartupMessage, `options` included. */
export function readStartup(parameters: ReadonlyMap<string, string>): StartupRead {
  const settings = new Map<string, string>()
  const unknownOptions: string[] = []
  let reason: string | undefined
  const user = parameters.get('user') ?? ''
  if (user === '') return no('28000', 'no user name was given')
  const given: (readonly [string, string])[] = []
  for (const [name, value] of parameters) {
    if (name === 'user' || name === 'database') continue
    if (name.startsWith('_pq_.')) unknownOptions.push(name)
    else if (name === 'replication') {
      if (!/^(false|off|no|0)$/i.test(value))
        return no('0A000', 'replication connections are not taken by this gateway')
    } else if (name === 'options') {
      const options = readOptions(value)
      if (options === undefined) return no('22023', 'options: only "-c name=value" is understood here')
      given.push(...options)
    } else given.push([name, value])
  }
  for (const [name, value] of given) {
    const key = name.toLowerCase()
    if (key === 'holdpoint.reason') reason = value
    else if (!isHarmlessSetting(key) || NOT_WHEN_CONNECTING.has(key)) {
      return no('0A000', `the parameter "${printable(name)}" may not be set when connecting through this gateway`)
    } else if (key === 'holdpoint.run' && readRun(value) === undefined) {
      return no('22023', 'holdpoint.run names verbs, such as "schema, write"')
    } else if (key === 'client_encoding') {
      // SQL_ASCII is what psql at a terminal says in the C locale: "as it is", and what comes must be UTF-8 all the same.
      if (!/^["']?(utf-?8|unicode|sql_ascii)["']?$/i.test(value))
        return no('0A000', 'client_encoding other than UTF8 is not understood here')
    } else if (key === 'standard_conforming_strings') {
      if (!/^(on|true|yes|1)$/i.test(value))
        return no('0A000', 'standard_conforming_strings = off is not understood here')
    } else settings.set(key, value)
  }
  const [resource = '', database, ...rest] = (parameters.get('database') ?? '').split('/')
  if (resource === '' || rest.length > 0 || database === '') {
    return no('3D000', 'dbname names the resource, or resource/database')
  }
  // What the session starts with is what RESET goes back to, whatever the role's own settings are.
  settings.set('client_encoding', 'UTF8')
  settings.set('standard_conforming_strings', 'on')
  const applicationName = printable(settings.get('application_name') ?? '')
  return { ok: true, startup: { user, resource, database, applicationName, reason, settings }, unknownOptions }
}

/** `-c a=b -cc=d --e=f`, with backslashes before spaces as in pg_split_opts. Undefined for anything else. */
function readOptions(text: string): readonly (readonly [string, string])[] | undefined {
  const words: string[] = []
  // White space as isspace has it in C: what stands between two words here must stand between two words there.
  for (const [word] of text.matchAll(/(?:\\[^]|[^ \t\n\v\f\r\\])+/g)) words.push(word.replaceAll(/\\([^])/g, '$1'))
  const found: (readonly [string, string])[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    const setting =
      word === '-c' ? words[++i] : word.startsWith('--') || word.startsWith('-c') ? word.slice(2) : undefined
    const equals = setting?.indexOf('=') ?? -1
    if (setting === undefined || equals < 1) return undefined
    found.push([setting.slice(0, equals).replaceAll('-', '_'), setting.slice(equals + 1)])
  }
  return found
}

/** Control, bidirectional and invisible characters shown as escapes, and at most 64 characters. */
export const printable = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`)
    .slice(0, 64)
