import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { targetServers, testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { answers, cut, level, readable } from '../../../test/support/compared-answers.ts'
import { SCHEMA, turn } from '../../../test/support/random-sessions.ts'
import type { Turn } from '../../../test/support/random-sessions.ts'
import { rawClient } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import type { Framed } from '../../../test/support/strict-framing.ts'
import { decodeFields } from '../../wire/postgres/backend.ts'

/*
 * Random sessions, direct and through the gateway: every byte that is answered is the same. HP_DIFFERENTIAL=1000000
 * sends so many messages instead, HP_SEED=n begins elsewhere.
 */
const MESSAGES = Number(process.env['HP_DIFFERENTIAL'] ?? 100_000)
const SEED = Number(process.env['HP_SEED'] ?? 1)
/** Turns on one connection before another one is opened. */
const CONNECTION_LASTS = 40

describe.each(targetServers())('PostgreSQL $version', ({ url, version }) => {
  let direct: TestDatabase
  let behind: TestDatabase
  let world: GatewayWorld
  beforeAll(async () => {
    ;[direct, behind] = [await testServer(url), await testServer(url)]
    for (const db of [direct, behind]) await db.query(SCHEMA)
    world = await gatewayWorld({ ...behind.target, sslmode: 'disable' })
  })
  afterAll(async () => {
    await world.close()
    await direct.close()
    await behind.close()
  })

  /** Until so many messages were sent. `seen` looks at what came through the gateway and leaves what is compared. */
  async function compare(
    messages: number,
    seen: (all: readonly Framed[]) => readonly Framed[],
    comparable: (turn: Turn) => boolean = () => true,
  ): Promise<number> {
    const counted = { sent: 0 }
    let runs = 0
    let pair: readonly [RawClient, RawClient] | undefined
    const close = () => {
      for (const one of pair ?? []) one.close()
      pair = undefined
    }
    const same = async (turns: readonly Turn[], places: readonly number[]): Promise<void> => {
      if (runs++ % CONNECTION_LASTS === 0) close()
      pair ??= [await rawClient(direct.target), await rawClient(world.connection)]
      const frames = turns.filter(comparable).flat()
      const bytes = Buffer.concat(frames)
      const mark = `the end of ${runs}`
      try {
        const [expected, got] = await Promise.all([
          answers(pair[0], [bytes], mark),
          answers(pair[1], cut(bytes, places), mark),
        ])
        expect(seen(got).map(level)).toEqual(expected.map(level))
      } catch (error) {
        // What is left of a session that failed says nothing about the next.
        close()
        throw new Error(`${(error as Error).message}\nafter\n${frames.map(readable).join('\n')}`, { cause: error })
      }
      counted.sent += frames.length
    }
    const session = fc.tuple(
      fc.array(turn, { minLength: 30, maxLength: 120, size: 'max' }),
      fc.array(fc.nat(), { maxLength: 6 }),
    )
    try {
      for (let seed = SEED; counted.sent < messages; seed++) {
        await fc.assert(
          fc.asyncProperty(session, ([turns, places]) => same(turns, places)),
          { numRuns: 20, seed, endOnFailure: process.env['HP_SHRINK'] === undefined },
        )
      }
    } finally {
      close()
    }
    expect(world.app.faults).toEqual([])
    return counted.sent
  }

  it('answers random sessions byte for byte as it does without the gateway', { timeout: 3_600_000 }, async () => {
    world.app.rule = () => 'allow'
    // The newest gets the most: the protocol is the same.
    const sent = await compare(version === '18' ? MESSAGES : MESSAGES / 10, (all) => all)
    expect(sent).toBeGreaterThan(0)
  })

  it('answers the same when everything that changes anything is held first', { timeout: 3_600_000 }, async () => {
    world.app.rule = ({ verb }) => (['write', 'delete', 'schema', 'export'].includes(verb) ? 'hold' : 'allow')
    let reviewing = true
    let held = 0
    const answer = (): void => {
      void world.app.nextHold().then((one) => {
        if (reviewing) answer()
        held += 1
        one.approve()
      })
    }
    answer()
    const unheld = (all: readonly Framed[]) =>
      all.filter(({ type, bytes }) => type !== 'N' || !/^(held )?HP-\d+\b/.test(decodeFields(bytes)?.get('M') ?? ''))
    // What is approved runs once, and may do so in a transaction of the gateway's own; what it did is asked in its
    // pipeline, in which DISCARD ALL may not stand then.
    const comparable = (one: Turn) =>
      one[0]?.[0] !== 'E'.charCodeAt(0) &&
      !one.some((frame) => /SET TRANSACTION|DISCARD ALL/.test(frame.toString('latin1')))
    await compare(MESSAGES / 50, unheld, comparable)
    reviewing = false
    expect(held).toBeGreaterThan(0)
  })
})
