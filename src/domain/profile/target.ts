import type { PostgresTarget } from './profile.ts'

/** The account Holdpoint signs in with when `connect` names none. */
export const DEFAULT_USER = 'holdpoint'
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-full'] as const

export type TargetRead =
  | { readonly ok: true; readonly target: PostgresTarget }
  | { readonly ok: false; readonly code: string; readonly message: string }
const no = (message: string, code = 'connect'): TargetRead => ({ ok: false, code, message })

const URL =
  /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/?#]*)@)?(\[[0-9A-Fa-f:.]+\]|[^:@/?#[\]]*)(?::([0-9]{1,5}))?(?:\/([^/?#]*))?(?:\?([^#]*))?$/
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\.?$/

/**
 * Read `postgres://user@host:port/database?sslmode=require`, or with a Unix socket `postgres://user@/database?host=/dir`.
 * Without a user it is `holdpoint`; without `sslmode`, TLS is required unless the target is this machine.
 * Messages never repeat the text: it might hold a password.
 */
export function readTarget(text: string): TargetRead {
  const parts = URL.exec(text)
  if (parts === null) return no('Not an address. Write postgres://user@host:5432/database.')
  const [, scheme, account, host = '', port, name, query] = parts
  if (scheme !== 'postgres' && scheme !== 'postgresql')
    return no(`This version has a gateway for postgres:// only, not for ${scheme}://.`, 'not_enforced_yet')
  if (account?.includes(':') === true)
    return no(
      'A password does not belong into the file. Take it out, change it, and use credential:.',
      'password_in_connect',
    )
  const user = account === undefined || account === '' ? DEFAULT_USER : decode(account)
  const database = name === undefined ? '' : decode(name)
  if (user === undefined || database === undefined)
    return no(
      'A % in the address is not followed by two hexadecimal digits, or stands for a character that is not accepted.',
    )
  if (database === '') return no('The database is missing. Write postgres://user@host:5432/database.')
  const options = readOptions(query)
  if (typeof options === 'string') return no(options, /password/.test(options) ? 'password_in_connect' : 'connect')
  const number = Number(options.port ?? port ?? 5432)
  if (!Number.isInteger(number) || number < 1 || number > 65_535) return no('The port is not between 1 and 65535.')
  const mode = options.sslmode
  if (mode !== undefined && !isSslMode(mode)) return no(`sslmode is one of ${SSL_MODES.join(', ')}.`)
  const { sslnegotiation = 'postgres' } = options
  if (sslnegotiation !== 'postgres' && sslnegotiation !== 'direct')
    return no('sslnegotiation is one of postgres, direct.')
  const direct = sslnegotiation === 'direct'
  if (direct && mode !== 'require' && mode !== 'verify-full')
    return no(
      'sslnegotiation=direct is TLS from the first byte. Write sslmode=require or sslmode=verify-full beside it.',
    )
  const common = { port: number, user, database }
  if (options.host !== undefined) {
    if (host !== '') return no('There are two hosts. With host=/directory, leave the other one out.')
    if (!/^\/[^\0]{0,90}$/.test(options.host))
      return no('host= is the directory of a Unix socket, from / on. A network host stands behind //.')
    if (mode !== undefined && mode !== 'disable' && mode !== 'prefer')
      return no('A Unix socket has no TLS. Leave sslmode out.')
    return { ok: true, target: { ...common, host: options.host, socket: options.host, sslmode: 'disable' } }
  }
  const bare = host.startsWith('[') ? host.slice(1, -1) : host
  if (host === '') return no('The host is missing.')
  if (!host.startsWith('[') && (host.length > 253 || !HOST.test(host)))
    return no('The host is not a name or an address (ASCII only).')
  const sslmode = mode ?? (isLoopback(bare) ? 'prefer' : 'require')
  return { ok: true, target: { ...common, host: bare, sslmode, ...(direct ? { direct } : {}) } }
}

const isSslMode = (mode: string): mode is PostgresTarget['sslmode'] => (SSL_MODES as readonly string[]).includes(mode)

const OPTIONS = ['sslmode', 'sslnegotiation', 'host', 'port'] as const

function readOptions(query: string | undefined): { readonly [option in (typeof OPTIONS)[number]]?: string } | string {
  const found: Record<string, string> = {}
  for (const part of query === undefined || query === '' ? [] : query.split('&')) {
    const [key = '', raw = ''] = part.split('=', 2)
    if (key === 'password')
      return 'A password does not belong into the file. Take it out, change it, and use credential:.'
    const value = decode(raw)
    if (!(OPTIONS as readonly string[]).includes(key) || value === undefined)
      return 'Only sslmode, sslnegotiation, host and port may stand behind the ?.'
    if (Object.hasOwn(found, key)) return `${key} stands there twice.`
    found[key] = value
  }
  return found
}

function decode(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text)
    // oxlint-disable-next-line no-control-regex
    return /[\u0000-\u001f\u007f]/.test(decoded) ? undefined : decoded
  } catch {
    return undefined
  }
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)

/** What is said to it stays on this machine. */
export const isOnThisMachine = ({ socket, host }: Pick<PostgresTarget, 'socket' | 'host'>): boolean =>
  socket !== undefined || isLoopback(host)

/** The same server and database, however it is spelled: two resources with an equal key are one target. */
export function targetKey({ socket, host, port, database }: PostgresTarget): string {
  const bare = host.toLowerCase().replace(/\.$/, '')
  const local = bare === '::1' || /^127\.\d+\.\d+\.\d+$/.test(bare)
  return `${socket ?? (local ? 'localhost' : bare)}:${port}/${database}`
}
