import type { Cli } from '../cli.ts'
import { printPerson } from '../printed-person.ts'
import { rolesOf } from '../roles.ts'

export async function run(
  cli: Cli,
  input: { readonly name: string; readonly roles: readonly string[] },
): Promise<void> {
  const client = await cli.api()
  const body = { roles: rolesOf(input.roles) }
  printPerson(cli, await client.call('updatePerson', { params: { name: input.name }, body }))
}
