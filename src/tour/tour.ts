import { styleText } from 'node:util'
import { killAll } from './child.ts'
import { promises } from './promises.ts'
import type { Promised } from './promises.ts'
import { proofs } from './proof.ts'
import { openWorld } from './world.ts'
import type { World } from './world.ts'

/** No promise takes longer, on the slowest machine it was tried on; one that does is broken. */
const LONGEST_MS = 180_000

/** What one promise came to. */
interface Kept {
  readonly name: string
  readonly ok: boolean
  readonly milliseconds: number
  readonly why?: string
}

/**
 * Plays Holdpoint's main job in a world of its own, and tells of each promise as it is kept. Answers the exit code: 0
 * only when all were. Leaves nothing behind, whether it ends by itself or by Ctrl-C.
 */
export async function tour(options: { readonly json?: boolean | undefined }): Promise<number> {
  const tell = options.json === true ? tellMachines : tellPeople
  const world = await openWorld()
  let interrupted = false
  const leave = (): void => {
    interrupted = true
    // What is waited for ends with this, and the rest is not begun.
    void killAll()
  }
  for (const name of SIGNALS) process.on(name, leave)
  const all: readonly Promised[] = [
    { name: 'it starts with one command', keep: () => world.start() },
    ...promises({ id: '' }),
    ...proofs,
  ]
  let passed = 0
  let failed = 0
  try {
    for (const promised of all) {
      if (interrupted) break
      const kept = await play(promised, world)
      if (interrupted) break
      tell.promise(kept)
      if (kept.ok) passed += 1
      else failed += 1
      // Without a server none of the others says anything.
      if (!kept.ok && promised === all[0]) break
    }
  } finally {
    await world[Symbol.asyncDispose]()
    for (const name of SIGNALS) process.off(name, leave)
  }
  if (interrupted) return 130
  tell.end(passed, failed)
  return failed === 0 && passed === all.length ? 0 : 1
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

async function play({ name, keep }: Promised, world: World): Promise<Kept> {
  const begun = performance.now()
  const kept = (why?: string): Kept => ({
    name,
    ok: why === undefined,
    milliseconds: Math.round(performance.now() - begun),
    ...(why === undefined ? {} : { why }),
  })
  let timer: NodeJS.Timeout | undefined
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it took longer than ${LONGEST_MS / 1000} s`)), LONGEST_MS)
    })
    await Promise.race([keep(world), late])
    return kept()
  } catch (error) {
    return kept(error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const paint = (style: 'green' | 'red' | 'gray', text: string): string =>
  styleText(style, text, { stream: process.stdout })

const tellMachines = {
  promise: ({ name, ok, milliseconds, why }: Kept): void =>
    print(JSON.stringify({ name, ok, milliseconds, ...(why === undefined ? {} : { why }) })),
  end: (passed: number, failed: number): void => print(JSON.stringify({ passed, failed })),
}
const tellPeople = {
  promise({ name, ok, milliseconds, why }: Kept): void {
    print(
      `${ok ? paint('green', '✓') : paint('red', '✗')} ${name} ${paint('gray', `${(milliseconds / 1000).toFixed(1)} s`)}`,
    )
    if (why !== undefined) print(`  ${why.replaceAll('\n', '\n  ')}`)
  },
  end: (passed: number, failed: number): void =>
    print(
      failed === 0 ? `\nAll ${passed} promises were kept.` : `\n${failed} of ${passed + failed} promises were broken.`,
    ),
}
