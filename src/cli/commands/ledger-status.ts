import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { renderPairs } from '../table.ts'

/** How far the ledger is, who signs it, and how far its witnesses are. */
export async function run(cli: Cli): Promise<void> {
  const client = await cli.api()
  const status = await client.call('getLedger', {})
  if (cli.wantsJson) return cli.json({ ...status })
  cli.print(
    renderPairs(cli.terminal, [
      ['log', oneLine(status.origin)],
      ['signed', status.signedAt === undefined ? 'nothing yet' : `${status.size} entries, at ${status.signedAt}`],
      ['waiting', status.waiting === 0 ? undefined : `${status.waiting} entries that no checkpoint covers yet`],
      ...status.keys.map((key) => ['key', oneLine(key)] as const),
      ...status.cosigned.map(
        ({ witness, size, at }) => ['witness', `${oneLine(witness)}  ${size} entries, at ${at}`] as const,
      ),
    ]),
  )
}
