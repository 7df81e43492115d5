import type { Cli } from '../cli.ts'
import { optional } from '../optional.ts'
import { printPerson } from '../printed-person.ts'
import { rolesOf } from '../roles.ts'
import { askSecret, readSecret } from '../standard-input.ts'

interface Input {
  readonly name: string
  readonly kind: 'user' | 'service' | 'agent'
  readonly displayName?: string
  readonly role?: readonly string[]
  readonly sponsor?: string
  readonly passwordStdin?: true
}

/** A user gets a first password, asked for or from standard input; services and agents get tokens instead. */
export async function run(cli: Cli, input: Input): Promise<void> {
  const roles = rolesOf(input.role ?? [])
  const wanted = input.kind === 'user' && (input.passwordStdin === true || cli.mayAsk)
  const password = !wanted
    ? undefined
    : input.passwordStdin === true
      ? await readSecret(cli, 'First password')
      : await askSecret('First password')
  const body = {
    name: input.name,
    kind: input.kind,
    roles,
    ...optional({ displayName: input.displayName, sponsor: input.sponsor, password }),
  }
  const client = await cli.api()
  printPerson(cli, await client.call('createPerson', { body }))
  if (input.kind !== 'user') cli.note(`It signs in with a token: hp admin token --for ${input.name}`)
  else if (password === undefined) cli.note(`It has no password yet: hp admin user password ${input.name}`)
}
