import { World } from './world.ts'

/** Tells what happens in one world: `node test/simulator/run.ts SEED`. Ends with 1 when something does that must not. */
const seed = Number(process.argv[2])
if (!Number.isSafeInteger(seed)) throw new Error('usage: node test/simulator/run.ts SEED')
const { story, swarm, violations } = await new World(seed, true).run()
const wrong = violations.map((one) => `${one.at - 1_000_000}: ${one.invariant} ${one.what}`)
process.stdout.write(`${[JSON.stringify(swarm), ...story, ...wrong].join('\n')}\n`)
process.exitCode = violations.length === 0 ? 0 : 1
