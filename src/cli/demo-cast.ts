import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { EXIT, Stop, usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { readPrivateFile } from './private-file.ts'
import { stateDir } from './settings.ts'
import type { Terminal } from './terminal.ts'

const File = z.object({ url: z.string(), people: z.record(z.string(), z.string()), default: z.string() })

/** The running demo's address and people, as the demo wrote them down. */
export interface DemoCast {
  readonly origin: string
  readonly people: readonly string[]
  readonly default: string
  /** @throws Stop for somebody who is not of the cast. */
  tokenOf(name: string): string
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|\[::1\]|localhost)$/

/**
 * The demo of this machine, whether or not it still runs; undefined when there is none. Only an address on
 * loopback counts: the demo never listens elsewhere.
 */
export function readDemoCast(env: Terminal['env']): DemoCast | undefined {
  const file = env['HP_DEMO_FILE'] || path.join(stateDir(env), 'demo.json')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  let value: unknown
  try {
    value = JSON.parse(text) as unknown
  } catch {
    return undefined
  }
  const parsed = File.safeParse(value)
  const url = parsed.success ? URL.parse(parsed.data.url) : null
  if (!parsed.success || url === null || !LOOPBACK.test(url.hostname)) return undefined
  const { people } = parsed.data
  return {
    origin: url.origin,
    people: Object.keys(people),
    default: parsed.data.default,
    tokenOf(name) {
      const tokenFile = Object.hasOwn(people, name) ? people[name] : undefined
      if (tokenFile === undefined)
        throw usage(`there is no '${oneLine(name)}' in the demo`, `Its people: ${Object.keys(people).join(', ')}.`)
      const token = readPrivateFile(path.resolve(path.dirname(file), tokenFile))?.trim()
      if (token === undefined || token === '')
        throw new Stop(EXIT.notSignedIn, `the demo left no token for ${oneLine(name)}`, 'Start it again: npm start')
      return token
    },
  }
}
