import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** The operating-system user that the server runs as. PostgreSQL refuses to run as root. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** Accounts that exist on ordinary systems and own nothing. initdb wants one with an entry in passwd. */
const CANDIDATES = ['nobody', 'postgres', 'daemon']

/**
 * Undefined when this process is not root: the server then runs as the same user. As root, the owner of a cluster
 * that exists already, so that a data folder keeps its owner; otherwise an unprivileged account from passwd.
 */
export function serverAccount(cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const found = statSync(cluster, { throwIfNoEntry: false })
  if (found !== undefined && found.uid !== 0) return { uid: found.uid, gid: found.gid }
  const entries = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of CANDIDATES) {
    const entry = entries.find((fields) => fields[0] === name)
    // -2 is how macOS writes nobody; the system wants it unsigned.
    if (entry?.[2] !== undefined && entry[3] !== undefined)
      return { uid: Number(entry[2]) >>> 0, gid: Number(entry[3]) >>> 0 }
  }
  throw new Error(
    `PostgreSQL cannot run as root, and none of the accounts ${CANDIDATES.join(', ')} exists here to run it as`,
  )
}

/** Whether `account` may read and run `file`, judged by the mode bits of the file and of every folder above it. */
export function reachableBy(account: Account | undefined, file: string): boolean {
  if (account === undefined) {
    try {
      accessSync(file, constants.R_OK | constants.X_OK)
      return true
    } catch {
      return false
    }
  }
  for (let path = file; ; path = dirname(path)) {
    const { mode, uid, gid } = statSync(path)
    const bits = uid === account.uid ? mode >> 6 : gid === account.gid ? mode >> 3 : mode
    const needed = path === file ? 0o5 : 0o1
    if ((bits & needed) !== needed) return false
    if (path === dirname(path)) return true
  }
}
