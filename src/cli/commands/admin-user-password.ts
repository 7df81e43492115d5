import type { Cli } from '../cli.ts'
import { signedIn } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { printPerson } from '../printed-person.ts'
import { readSecret, readTwoSecrets } from '../standard-input.ts'

/** One's own password is changed with the one that it replaces; somebody else's is set by an administrator. */
export async function run(cli: Cli, { name }: { readonly name: string }): Promise<void> {
  const { principal } = await signedIn(cli)
  const client = await cli.api()
  const body =
    principal.name === name ? await ownPassword(cli) : { password: await readSecret(cli, `New password of ${name}`) }
  printPerson(cli, await client.call('updatePerson', { params: { name }, body }))
  if (principal.name !== name) cli.note(`The sign-ins and tokens of ${oneLine(name)} have ended.`)
}

async function ownPassword(cli: Cli): Promise<{ readonly currentPassword: string; readonly password: string }> {
  const { first, second } = await readTwoSecrets(cli, ['Your current password', 'Your new password'])
  return { currentPassword: first, password: second }
}
