import { lstatSync, statSync } from 'node:fs'
import path from 'node:path'
import type { OpenTarget } from '../../app/ports/target.ts'

/** Where packages of PostgreSQL put the socket. Never /tmp, where anybody may put one. */
const FOLDERS = ['/run/postgresql', '/var/run/postgresql']
/** A socket that did not lead to the server is not tried again for so long. */
const AGAIN_MS = 60_000

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/

/**
 * The Unix socket of a target on this machine, which costs less than TCP. It is used only while each of these holds:
 * the profile does not ask for TLS; the folder can be written to by root and the server's own account alone; and the
 * server behind the socket, asked on every connection, is the one that answered over TCP. Whatever is in doubt goes
 * over TCP, as the profile says.
 */
export class LocalSockets {
  readonly #own: () => readonly string[]
  readonly #folders: readonly string[]
  /** The server last seen over TCP, by host and port. */
  readonly #seen = new Map<string, string>()
  /** Not before then, by this process's clock. */
  readonly #shunned = new Map<string, number>()

  /**
   * @param own folders of servers that this program itself runs.
   * @param folders where others may have theirs.
   */
  constructor(own: () => readonly string[] = () => [], folders: readonly string[] = FOLDERS) {
    this.#own = own
    this.#folders = folders
  }

  /** The same target by its socket; undefined where that is not to be tried. */
  near(target: OpenTarget): OpenTarget | undefined {
    const key = keyOf(target)
    if (key === undefined || !this.#seen.has(key) || performance.now() < (this.#shunned.get(key) ?? 0)) return undefined
    const { port } = target
    const socket =
      this.#own().find((folder) => isSocket(folder, port)) ??
      this.#folders.find((folder) => isSocket(folder, port) && isGuarded(folder, port))
    return socket === undefined ? undefined : { ...target, socket, sslmode: 'disable' }
  }

  /** @param server who answered over TCP. */
  seen(target: OpenTarget, server: string): void {
    const key = keyOf(target)
    if (key !== undefined) this.#seen.set(key, server)
  }

  /** Whether the server behind the socket is the one that was seen; otherwise the socket is left alone for a while. */
  confirms(target: OpenTarget, server: string | undefined): boolean {
    const key = keyOf(target)
    if (key === undefined) return false
    if (server !== undefined && this.#seen.get(key) === server) return true
    this.#shunned.set(key, performance.now() + AGAIN_MS)
    return false
  }
}

function keyOf({ socket, host, port, sslmode }: OpenTarget): string | undefined {
  const may = socket === undefined && LOOPBACK.test(host) && (sslmode === 'disable' || sslmode === 'prefer')
  return may ? `${host}:${port}` : undefined
}

const fileOf = (folder: string, port: number): string => path.join(folder, `.s.PGSQL.${port}`)

function isSocket(folder: string, port: number): boolean {
  return lstatSync(fileOf(folder, port), { throwIfNoEntry: false })?.isSocket() === true
}

/** Only root, and the account and group that the socket itself belongs to, can put anything there. */
function isGuarded(folder: string, port: number): boolean {
  const place = statSync(folder, { throwIfNoEntry: false })
  const file = lstatSync(fileOf(folder, port), { throwIfNoEntry: false })
  if (place === undefined || file === undefined || !place.isDirectory() || (place.mode & 0o002) !== 0) return false
  const byGroup = (place.mode & 0o020) !== 0
  return (place.uid === 0 || place.uid === file.uid) && (!byGroup || place.gid === 0 || place.gid === file.gid)
}
