import { ApiProblem } from '../../contract/client.ts'
import type { Cli } from '../cli.ts'
import { entryLine } from '../entry-line.ts'
import { oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { interruptible, pause } from '../wait-for-request.ts'

/** Between two attempts to reach a server that went away. Milliseconds. */
const COME_BACK_AFTER = 1_000

export async function run(cli: Cli, { resource }: { readonly resource?: string }): Promise<void> {
  const client = await cli.api()
  await interruptible(cli, async (signal) => {
    let after: string | undefined
    let lost = false
    while (!signal.aborted) {
      try {
        const opened = (cursor: string): void => {
          if (after === undefined) cli.note('Watching. Ctrl-C ends it.')
          else if (lost) cli.note('back')
          lost = false
          after ??= cursor
        }
        for await (const entry of client.events(optional({ after, resource }), signal, opened)) {
          after = entry.cursor
          if (cli.wantsJson) cli.json({ ...entry })
          else cli.print(entryLine(cli, entry))
        }
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof ApiProblem && error.problem.status < 500) throw error
        // The first connection says plainly that it failed; a lost one is waited for, and misses nothing.
        if (after === undefined) throw error
        if (!lost)
          cli.note(`${oneLine(error instanceof Error ? error.message : 'the connection is lost')}; coming back`)
        lost = true
      }
      await pause(COME_BACK_AFTER, signal)
    }
  })
}
