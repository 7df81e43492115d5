import { isName } from '../../domain/ids.ts'
import { readDemoCast } from '../demo-cast.ts'
import type { Cli } from '../cli.ts'
import { EXIT, Stop, usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { openServer } from '../server.ts'
import { keepSignIn } from '../sign-ins.ts'
import { askSecret, askText, readStandardInput } from '../standard-input.ts'
import { clock } from '../times.ts'

/**
 * Signs in with name and password; on a server without an administrator yet, makes the first one with the one-time
 * code. Without a terminal, standard input holds the password, before it the code on a line of its own when one is needed.
 */
export async function run(cli: Cli, input: { readonly name?: string; readonly device?: true }): Promise<void> {
  if (input.device === true)
    throw usage('this version signs in with name and password; --device comes with an identity provider')
  const { origin } = await cli.server()
  const client = openServer(origin)
  const { setupNeeded, demo } = await client.call('getInfo', {})
  if (setupNeeded)
    cli.note(`${oneLine(origin)} has no administrator yet. The server printed a one-time code where it was started.`)
  else if (cli.mayAsk) cli.note(`Signing in to ${oneLine(origin)}.`)
  if (demo && readDemoCast(cli.terminal.env)?.origin === origin)
    cli.note('This is the demo: nobody needs to sign in there. Take on its people with --as NAME.')

  const given = cli.mayAsk ? await askAll(cli, input.name, setupNeeded) : await readAll(cli, input.name, setupNeeded)
  const { name, password, code } = given
  const token =
    code === undefined
      ? await client.call('signIn', { body: { name, password } })
      : await client.call('setup', { body: { name, password, code } })
  keepSignIn(cli.terminal.env, origin, { text: token.text, name: token.principal, expiresAt: token.expiresAt })
  if (cli.wantsJson) return cli.json({ name: token.principal, server: origin, expiresAt: token.expiresAt })
  cli.note(
    `Signed in to ${oneLine(origin)} as ${oneLine(token.principal)}, until ${clock(token.expiresAt, cli.now())}.`,
  )
}

interface Given {
  readonly name: string
  readonly password: string
  readonly code?: string
}

async function askAll(cli: Cli, named: string | undefined, setup: boolean): Promise<Given> {
  const code = setup ? (await askText('One-time code')).trim() : undefined
  const name = named ?? (await askText('Name', setup ? undefined : cli.terminal.env['USER'], notAName)).trim()
  if (!setup) return { name, password: await askSecret('Password') }
  const password = await askSecret('Choose a password (12 characters or more)', tooShort)
  if ((await askSecret('The same password again')) !== password) throw new Stop(EXIT.usage, 'the two passwords differ')
  return { name, password, ...(code === undefined ? {} : { code }) }
}

/** Said while the answer can still be mended; the server decides in any case. */
const notAName = (given: string): string | undefined =>
  isName(given.trim())
    ? undefined
    : 'A name is 1 to 63 of a-z, 0-9, ".", "_" and "-", with a letter or digit at both ends.'

const tooShort = (given: string): string | undefined =>
  given.length >= 12 ? undefined : 'A password needs at least 12 characters.'

async function readAll(cli: Cli, name: string | undefined, setup: boolean): Promise<Given> {
  if (name === undefined)
    throw usage('away from a terminal, hp login needs --name', 'printf \'%s\' "$PASSWORD" | hp login --name ana')
  if (cli.terminal.inIsTerminal)
    throw usage('a password is needed, and --no-input was given', 'Give it on standard input: ... < FILE')
  const text = (await readStandardInput(cli, 4_096)).replace(/\r?\n$/, '')
  if (!setup) return { name, password: text }
  const [code = '', password = ''] = text.split(/\r?\n/)
  if (password === '') throw usage('standard input must hold the one-time code and, on the next line, the new password')
  return { name, password, code: code.trim() }
}
