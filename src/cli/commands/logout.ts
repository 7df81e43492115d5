import { ApiProblem, Unreachable } from '../../contract/client.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { forgetSignIn } from '../sign-ins.ts'

/** Revokes the token and forgets it; forgets it all the same when the server is away, and says so. */
export async function run(cli: Cli): Promise<void> {
  const { client, origin, as } = await cli.server()
  if (as !== 'signed_in') {
    cli.note(`You are not signed in to ${oneLine(origin)}.`)
    return
  }
  try {
    await client.call('signOut', {})
  } catch (error) {
    if (error instanceof Unreachable)
      cli.note(`${oneLine(error.message)}: the token is forgotten here, and lives there until it expires`)
    else if (!(error instanceof ApiProblem) || error.problem.status !== 401) throw error
  }
  forgetSignIn(cli.terminal.env, origin)
  cli.note(`Signed out of ${oneLine(origin)}.`)
}
