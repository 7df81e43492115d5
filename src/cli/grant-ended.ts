import type { AccessRequest, Cli } from './cli.ts'
import { oneLine } from './exposed-text.ts'

/** Says how far the removal of access has come: ending lasts until the target confirms. */
export function printGrantEnd(cli: Cli, request: AccessRequest): void {
  if (cli.wantsJson) return cli.json({ request })
  const { grant } = request
  const why = grant?.why === undefined ? '' : ` (${grant.why})`
  cli.print(`${oneLine(request.id)} access ${grant?.state === 'ended' ? 'ended' : 'is ending'}${why}`)
  if (grant?.state === 'ending') cli.note('The target has not confirmed yet; this is tried until it does.')
}
