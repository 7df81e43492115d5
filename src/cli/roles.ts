import { ROLES } from '../domain/principal.ts'
import type { Role } from '../domain/principal.ts'
import { usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'

/** Roles from words of the command line, each once. @throws Stop */
export const rolesOf = (words: readonly string[]): Role[] => [
  ...new Set(
    words
      .flatMap((word) => word.split(','))
      .map((word) => {
        const role = ROLES.find((one) => one === word)
        if (role === undefined) throw usage(`there is no role '${oneLine(word)}'`, `Roles: ${ROLES.join(', ')}.`)
        return role
      }),
  ),
]
