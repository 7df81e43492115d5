import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

export async function run(cli: Cli, { id }: { readonly id: string }): Promise<void> {
  await (await cli.api()).call('revokeToken', { params: { id } })
  cli.note(`Token ${oneLine(id)} is revoked.`)
}
