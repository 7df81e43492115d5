import type { Answer } from '../contract/routes.ts'
import type { Cli } from './cli.ts'
import { oneLine } from './exposed-text.ts'

/** One account after a change, on one line. */
export function printPerson(cli: Cli, person: Answer<'updatePerson'>): void {
  if (cli.wantsJson) return cli.json({ person })
  const roles = person.roles.length === 0 ? 'no roles' : person.roles.join(', ')
  cli.print(`${oneLine(person.name)}  ${person.kind}, ${roles}${person.disabled ? ', disabled' : ''}`)
}
