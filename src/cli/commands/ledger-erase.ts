import { onceDespiteLoss } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { EXIT, Stop, usage } from '../exit.ts'

interface Input {
  readonly index: readonly string[]
  readonly message?: string
}

/** Takes away what entries of the ledger say; that they were, and who did what, stays proven. */
export async function run(cli: Cli, { index, message }: Input): Promise<void> {
  const indexes = index.map((text) => {
    if (!/^(?:0|[1-9][0-9]{0,14})$/.test(text)) throw usage(`'${text}' is not the index of an entry in the ledger`)
    return Number(text)
  })
  if (message === undefined) throw usage('Say why, with -m: whoever finds the body gone will read it')
  const client = await cli.api()
  const body = { indexes, words: message }
  const { erased, left } = await onceDespiteLoss((idempotencyKey) =>
    client.call('eraseBodies', { body }, { idempotencyKey }),
  )
  if (cli.wantsJson) cli.json({ erased, left })
  else if (erased.length > 0) cli.print(`Erased: ${erased.join(', ')}. Their leaves and proofs stay.`)
  if (left.length > 0)
    throw new Stop(EXIT.failed, `nothing to erase at ${left.join(', ')}: no entry there, or its body is gone already`)
}
