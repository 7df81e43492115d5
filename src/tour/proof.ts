import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { check, equal, succeeded } from './checks.ts'
import { start } from './child.ts'
import type { Promised } from './promises.ts'
import type { Done, World } from './world.ts'

/** What is proven of all that the tour did before. */
export const proofs: readonly Promised[] = [
  {
    name: 'the ledger verifies: on the server, and a copy of it with nothing but Node and one file',
    async keep(world) {
      const live = await world.hp('olu', 'ledger', 'verify')
      check('it verifies on the server', live.code === 0 && live.out.includes('verified'), live.out + live.err)
      succeeded(await world.hp('olu', 'ledger', 'export', copyIn(world)))
      const alone = await verifier(world)
      check('the copy verifies', alone.code === 0, alone.out + alone.err)
      const { requests, executions } = JSON.parse(alone.out) as { requests: number; executions: number }
      check('what was asked and what ran is in it', requests > 5 && executions > 1, alone.out)
    },
  },
  {
    name: 'a copy in which one name was changed does not, and the entry is shown',
    async keep(world) {
      const folder = path.join(copyIn(world), 'tile', 'entries')
      for (const name of await readdir(folder, { recursive: true })) {
        const file = path.join(folder, name)
        const text = await readFile(file, 'latin1').catch(() => '')
        // Mia's review becomes Ana's own; the length of the leaf stays as it was.
        const changed = text.replace(/("actor":")mia("[^{}]*\{[^{}]*\},"kind":"review\.given")/, '$1ana$2')
        if (changed === text) continue
        await writeFile(file, changed, 'latin1')
        const found = await verifier(world)
        equal('its exit code', found.code, 1, found.out)
        const { what, message } = JSON.parse(found.out) as { what: string; message: string }
        equal('what is wrong', what, 'leaf_hash')
        check('it names the entry', /entry \d+ \(review\.given of request\/HP-\d+\)/.test(message), message)
        return
      }
      throw new Error('there is no review by Mia in the copy')
    },
  },
]

const copyIn = (world: World): string => path.join(world.folder, 'ledger')

/** As an auditor runs it: the file that stands in the copy, and the key that they were given. */
async function verifier(world: World): Promise<Done> {
  const keys = await world.hp('olu', 'ledger', 'keys')
  succeeded(keys)
  const folder = copyIn(world)
  const args = [path.join(folder, 'holdpoint-verify.mjs'), folder, '--json', '--key', keys.out.trim()]
  const child = start(process.execPath, args, {}, folder)
  return { code: await child.ended, out: child.out(), err: child.err() }
}
