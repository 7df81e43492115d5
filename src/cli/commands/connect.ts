import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'

export async function run(cli: Cli, { resource: name }: { readonly resource: string }): Promise<void> {
  const resource = await (await cli.api()).call('getResource', { params: { name } })
  if (cli.wantsJson) return cli.json({ resource: resource.name, client: resource.clientLine })
  cli.print(oneLine(resource.clientLine))
  cli.note(`The password is what \`hp token\` prints. Or all in one: hp psql ${oneLine(resource.name)}`)
}
