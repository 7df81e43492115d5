import { parseArgs } from 'node:util'
import { openWorld } from '../src/tour/world.ts'
import { measureDecide } from './decide.ts'
import { KEYS, RULE_COUNTS } from './figures.ts'
import type { Figures } from './figures.ts'
import { measureGateway } from './gateway.ts'
import { measureVerify } from './ledger-verify.ts'
import { measureLedger } from './ledger.ts'
import { measureIdle } from './memory.ts'
import { measureTakeover } from './takeover.ts'
import { measureLapse, measureRelease, measureRemoval, measureStarts } from './times.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    // Long enough for 32 sign-ins, which count as time but not as transactions.
    seconds: { type: 'string', default: '5' },
  },
})
const wants = (key: string): boolean => KEYS.some((one) => one.startsWith(values.only) && one.startsWith(key))
const say = (line: string): void => void process.stderr.write(`${line}\n`)
if (!KEYS.some((key) => key.startsWith(values.only))) {
  say(`error: no figure begins with '${values.only}'`)
  process.exit(2)
}

const figures: Figures = new Map()

/** A part that fails leaves its figures null and says why; the others are measured all the same. */
async function part(name: string, measure: () => Promise<void> | void): Promise<void> {
  if (!wants(name)) return
  try {
    await measure()
  } catch (error) {
    process.exitCode = 1
    say(`${name}: null, ${error instanceof Error ? error.message : String(error)}`)
  }
}

for (const count of RULE_COUNTS) {
  const key = `decide.${count}.p50_us`
  await part(key, () => void figures.set(key, measureDecide(count)))
}
await part('start', async () => {
  const { cold, warm } = await measureStarts(Number(values.rounds))
  figures.set('start.cold_ms', cold).set('start.warm_ms', warm)
})
await part('memory', async () => {
  // A server of its own, which has done nothing else.
  await using world = await openWorld()
  await world.start()
  const mib = await measureIdle(world)
  if (mib === undefined) say('memory: null, this system does not tell how much memory a process has')
  else figures.set('memory.idle1000_mib', mib)
})
const APPENDS = ['ledger.appends_per_s', 'ledger.vs_no_ledger'] as const
await part(APPENDS.find(wants) ?? APPENDS[0], async () => {
  const { perSecond, share, alone } = await measureLedger(Number(values.seconds))
  figures.set('ledger.appends_per_s', perSecond).set('ledger.vs_no_ledger', share)
  say(`ledger.vs_no_ledger: ${alone}/s without one`)
})
await part('ledger.verify_1m_s', () => void figures.set('ledger.verify_1m_s', measureVerify()))
await part('takeover.after_kill_ms', async () => {
  figures.set('takeover.after_kill_ms', await measureTakeover(Number(values.rounds)))
})
if (['release', 'lapse', 'removal', 'gateway'].some(wants)) {
  await using world = await openWorld()
  const started = await world.start().then(
    () => undefined,
    (error: unknown) => error,
  )
  /** Without a server each part says why it measured nothing. */
  const measure = (name: string, work: () => Promise<void>): Promise<void> =>
    part(name, () => (started === undefined ? work() : Promise.reject(started)))
  await measure('release', async () => {
    figures.set('release.approve_to_forward.p99_ms', await measureRelease(world, 200))
  })
  await measure('lapse', async () => {
    figures.set('lapse.expiry_to_cut.p99_ms', await measureLapse(world, 10, 8))
  })
  await measure('removal', async () => {
    figures.set('removal.revoke_to_gone.p99_ms', await measureRemoval(world, 10, 8))
  })
  await measure('gateway', () =>
    measureGateway(world, figures, { rounds: Number(values.rounds), seconds: Number(values.seconds), wants, say }),
  )
}

const chosen = KEYS.filter((key) => key.startsWith(values.only)).map((key) => [key, figures.get(key) ?? null] as const)
if (values.json) process.stdout.write(`${JSON.stringify(Object.fromEntries(chosen))}\n`)
else {
  const width = Math.max(...chosen.map(([key]) => key.length))
  for (const [key, value] of chosen) process.stdout.write(`${key.padEnd(width)}  ${value ?? '-'}\n`)
}
