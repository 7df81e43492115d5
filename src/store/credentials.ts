import { realpathSync } from 'node:fs'
import { isAbsolute, relative, resolve } from 'node:path'
import type { SecretDeps } from '../app/secrets/create-secret-use-cases.ts'
import { openSecret } from '../app/secrets/create-secret-use-cases.ts'
import type { Result } from '../app/result.ts'
import { done, refuse } from '../app/result.ts'
import type { CredentialSource } from '../domain/profile/profile.ts'
import { ExposedFile, readPrivateFile } from './private-file.ts'

export interface CredentialDeps extends SecretDeps {
  readonly env: NodeJS.ProcessEnv
  readonly dataDir: string
}

const LONGEST_BYTES = 65_536
/** The program's own settings. A profile that names one would send it to whatever server the profile names. */
const OWN_VARIABLE = /^(HP_|PG|DATABASE_URL$)/

type Credential = Promise<Result<string, 'target_unreachable'>>

/**
 * Reads the password of a target from wherever its profile says, at the moment of connecting. Refuses with a
 * sentence that names the place and never the value.
 */
export function createCredentialReader(deps: CredentialDeps): (source: CredentialSource) => Credential {
  return async (source) => {
    if (source.from === 'secret') return fromSecret(deps, source.name)
    return source.from === 'env' ? fromEnvironment(deps, source.name) : fromFile(deps, source.path)
  }
}

async function fromSecret(deps: CredentialDeps, name: string): Credential {
  try {
    const value = await openSecret(deps, name)
    return value === undefined
      ? refuse('target_unreachable', `there is no secret ${name}; set it with: hp secret set ${name}`)
      : done(value)
  } catch {
    return refuse('target_unreachable', `the secret ${name} cannot be opened now`)
  }
}

function fromEnvironment({ env }: CredentialDeps, name: string): Result<string, 'target_unreachable'> {
  if (OWN_VARIABLE.test(name))
    return refuse('target_unreachable', `the variable ${name} is Holdpoint's own and is no target's password`)
  const value = env[name]
  return value === undefined || value === ''
    ? refuse('target_unreachable', `Holdpoint was started without the variable ${name}`)
    : done(value)
}

function fromFile({ dataDir }: CredentialDeps, path: string): Result<string, 'target_unreachable'> {
  if (!isAbsolute(path) || resolve(path) !== path)
    return refuse('target_unreachable', `the credential's path must be absolute and plain: ${path}`)
  try {
    const inside = relative(realpathSync(dataDir), realpathSync(path))
    if (!inside.startsWith('..') && !isAbsolute(inside))
      return refuse('target_unreachable', "the credential's file lies in Holdpoint's own data folder")
    const bytes = readPrivateFile(path, LONGEST_BYTES)
    // The one newline that editors add does not belong to the password.
    const value = bytes.toString('utf8').replace(/\r?\n$/, '')
    return value === '' ? refuse('target_unreachable', `${path} is empty`) : done(value)
  } catch (error) {
    const why =
      error instanceof ExposedFile
        ? error.message
        : `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'fault'})`
    return refuse('target_unreachable', why)
  }
}
