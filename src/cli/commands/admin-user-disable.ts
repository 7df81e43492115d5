import type { Cli } from '../cli.ts'
import { printPerson } from '../printed-person.ts'

export async function run(cli: Cli, { name, undo }: { readonly name: string; readonly undo?: true }): Promise<void> {
  const client = await cli.api()
  const body = { disabled: undo !== true }
  printPerson(cli, await client.call('updatePerson', { params: { name }, body }))
}
