import type { Cli } from '../cli.ts'
import { printPerson } from '../printed-person.ts'
import { readSecret } from '../standard-input.ts'

export async function run(cli: Cli, { name }: { readonly name: string }): Promise<void> {
  const client = await cli.api()
  const password = await readSecret(cli, `New password of ${name}`)
  printPerson(cli, await client.call('updatePerson', { params: { name }, body: { password } }))
}
