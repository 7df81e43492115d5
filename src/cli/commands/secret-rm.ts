import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

export async function run(cli: Cli, { name }: { readonly name: string }): Promise<void> {
  await (await cli.api()).call('deleteSecret', { params: { name } })
  cli.note(`Removed ${oneLine(name)}.`)
}
