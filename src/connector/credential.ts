import { open } from 'node:fs/promises'
import path from 'node:path'
import type { Sealer, SecretStore } from '../app/ports/secrets.ts'
import { done, refuse, type Result } from '../app/result.ts'
import type { CredentialSource } from '../domain/profile/profile.ts'

interface CredentialDeps {
  readonly secrets: Pick<SecretStore, 'get'>
  readonly sealer: Sealer
  readonly env: Readonly<Record<string, string | undefined>>
}
type ReadCredential = (source: CredentialSource) => Promise<Result<string, 'target_unreachable'>>

/** Longer than any password; shorter than what somebody names by mistake. */
const LONGEST_BYTES = 4_096
const cannot = (why: string) => refuse('target_unreachable', why)

/**
 * Reads a target's password from wherever its profile says, each time it is needed: nothing is kept. A refusal names
 * the place and what is wrong with it, never what stands there.
 */
export function createCredentialReader({ secrets, sealer, env }: CredentialDeps): ReadCredential {
  return async (source) => {
    switch (source.from) {
      case 'env': {
        const value = env[source.name]
        if (value === undefined || value === '') return cannot(`its password: the server has no ${source.name}`)
        return done(value)
      }
      case 'file':
        return fromFile(source.path)
      case 'secret': {
        const sealed = await secrets.get(source.name)
        if (sealed === undefined) {
          return cannot(`its password: no secret named ${source.name} (hp secret set ${source.name})`)
        }
        try {
          return done((await sealer.open(`secret/${source.name}`, sealed)).toString('utf8'))
        } catch {
          return cannot(`its password: the secret ${source.name} cannot be opened with this server's keyring`)
        }
      }
    }
  }
}

/** The first line of a file, as secret stores and editors leave them. */
async function fromFile(file: string): Promise<Result<string, 'target_unreachable'>> {
  if (!path.isAbsolute(file)) return cannot('its password: the file is not named by an absolute path')
  try {
    await using handle = await open(file, 'r')
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST_BYTES + 1), 0, LONGEST_BYTES + 1, 0)
    if (bytesRead > LONGEST_BYTES) return cannot('its password: the file is too long to hold one')
    const value = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/, 1)[0] ?? ''
    return value === '' ? cannot('its password: the file is empty') : done(value)
  } catch (error) {
    return cannot(`its password: the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`)
  }
}
