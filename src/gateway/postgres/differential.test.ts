import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import { gatewayWorld, plainControl } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import type { RawMessage } from '../../../test/support/raw-client.ts'
import {
  encodeBind,
  encodeClose,
  encodeExecute,
  encodeParse,
  encodeQuery,
  FLUSH,
  SYNC,
} from '../../wire/postgres/frontend.ts'

const TEXTS = [
  'SELECT 1',
  'SELECT id FROM t ORDER BY id LIMIT 3',
  'INSERT INTO t DEFAULT VALUES',
  'DELETE FROM t WHERE id = 1',
  'SELECT 1/0',
  'SELEC',
  '',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  'SELECT nothing',
  'SET search_path = public',
  'SHOW search_path',
  'RESET search_path',
  'PREPARE q AS SELECT 42',
  'EXECUTE q',
  'DEALLOCATE q',
  'DISCARD ALL',
  'CREATE TEMP TABLE t (id int)',
  'DROP TABLE IF EXISTS pg_temp.t',
  'DECLARE c CURSOR FOR SELECT generate_series(1, 5)',
  'FETCH 2 FROM c',
  'CLOSE c',
  'COPY (SELECT 1) TO STDOUT',
  'SET LOCAL search_path = pg_catalog',
]
const execute = (portal: string, rows: number): Buffer => {
  const frame = encodeExecute(portal)
  frame.writeInt32BE(rows, frame.length - 4)
  return frame
}
const describeNamed = (what: 'statement' | 'portal', name: string): Buffer => {
  const frame = encodeClose(what, name)
  frame[0] = 0x44
  return frame
}
const text = fc.constantFrom(...TEXTS)
const name = fc.constantFrom('', 'a', 'b')
const message = fc.oneof(
  { weight: 4, arbitrary: text.map((t) => Buffer.concat([SYNC, encodeQuery(t)])) },
  { weight: 1, arbitrary: fc.tuple(text, text).map(([a, b]) => Buffer.concat([SYNC, encodeQuery(`${a}; ${b}`)])) },
  // No driver sends one inside an unfinished pipeline. Where the gateway has to ask a question first, it refuses it.
  { weight: 1, arbitrary: text.map((t) => encodeQuery(t)) },
  { weight: 4, arbitrary: fc.tuple(name, text).map(([n, t]) => encodeParse(n, t)) },
  { weight: 4, arbitrary: fc.tuple(name, name).map(([p, s]) => encodeBind(p, s)) },
  { weight: 4, arbitrary: fc.tuple(name, fc.constantFrom(0, 0, 1, 2)).map(([p, n]) => execute(p, n)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('statement' as const, 'portal' as const), name)
      .map(([w, n]) => describeNamed(w, n)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('statement' as const, 'portal' as const), name)
      .map(([w, n]) => encodeClose(w, n)),
  },
  { weight: 4, arbitrary: fc.constant(SYNC) },
  { weight: 1, arbitrary: fc.constant(FLUSH) },
  // What drivers do all day.
  {
    weight: 4,
    arbitrary: text.map((t) => Buffer.concat([encodeParse('', t), encodeBind('', ''), execute('', 0), SYNC])),
  },
)
const MARK = 'the end of it'
/** A simple query behind extended messages without a Sync, refused. No statement of the test fails with this code. */
const SYNC_FIRST = 'E(0A000)'

/** Everything that is answered, up to a query of the test's own at the end. */
async function transcript(to: Parameters<typeof rawClient>[0], parts: readonly Buffer[]): Promise<string> {
  const client = await rawClient(to)
  try {
    for (const part of [...parts, SYNC, encodeQuery('ROLLBACK'), encodeQuery(`SELECT '${MARK}'`)]) client.send(part)
    const all: RawMessage[] = []
    while (!brief(all).includes(MARK)) all.push(...(await client.until('Z')))
    return brief(all.filter(({ type }) => type !== 'S'))
  } finally {
    client.close()
  }
}

it('random sessions through the gateway are answered as by the target itself', async () => {
  const [direct, behind] = [await testServer(), await testServer()]
  const world = await gatewayWorld({ ...behind.target, sslmode: 'disable' })
  world.app.rule = () => 'allow'
  let refusals = 0
  for (const db of [direct, behind]) await db.query('CREATE TABLE t (id serial)')
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 14 }),
        fc.array(fc.nat(400), { maxLength: 4 }),
        async (messages, places) => {
          for (const db of [direct, behind]) await db.query('TRUNCATE t RESTART IDENTITY')
          const bytes = Buffer.concat(messages)
          const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
          const parts = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
          const [expected, got] = await Promise.all([
            transcript(direct.target, [bytes]),
            transcript(world.connection, parts),
          ])
          const refusal = got.indexOf(SYNC_FIRST)
          // All that was answered before a refusal is the same; what was not committed by then never is.
          const until = refusal < 0 ? undefined : refusal
          expect(got.slice(0, until)).toBe(expected.slice(0, until))
          if (refusal >= 0) refusals += 1
        },
      ),
      { numRuns: 120, interruptAfterTimeLimit: 20_000 },
    )
    expect(refusals).toBeLessThan(30)
    expect(world.app.faults).toEqual([])
  } finally {
    await world.close()
    await direct.close()
    await behind.close()
  }
})

it('bytes changed at random on either side crash nothing, hang nothing and leave nothing', async () => {
  const db = await testServer()
  await db.query('CREATE TABLE t (id serial)')
  /** Passes bytes on, changing some of the target's once `mutate` is set. */
  let mutate: ((bytes: Buffer) => Buffer) | undefined
  const sockets = new Set<Socket>()
  const proxy = createServer((socket) => {
    const real = connect(db.target.port, '127.0.0.1')
    for (const one of [socket, real]) one.on('error', () => undefined)
    sockets.add(socket).add(real)
    socket.on('data', (chunk) => real.write(chunk)).on('close', () => real.destroy())
    real
      .on('data', (chunk: Buffer) => socket.write(mutate === undefined ? chunk : mutate(chunk)))
      .on('close', () => socket.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const world = await gatewayWorld(
    { ...db.target, port: (proxy.address() as AddressInfo).port, sslmode: 'disable' },
    { control: plainControl(db.target.port) },
  )
  world.app.rule = (action) => (['admin', 'unknown', 'exec'].includes(action.verb) ? 'deny' : 'allow')
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1, maxLength: 6 }),
        fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (messages, changes, fromTarget) => {
          const spoil = (bytes: Buffer): Buffer => {
            const spoilt = Buffer.from(bytes)
            for (const [at, byte] of changes) spoilt[at % spoilt.length] = byte
            return spoilt
          }
          const client = await rawClient(world.connection)
          if (fromTarget) mutate = spoil
          const sent = Buffer.concat([...messages, SYNC])
          client.send(fromTarget ? sent : spoil(sent))
          await Promise.race([client.toEnd(), new Promise((resolve) => setTimeout(resolve, 15))])
          mutate = undefined
          client.close()
        },
      ),
      { numRuns: 150, interruptAfterTimeLimit: 12_000 },
    )
    await expect.poll(() => world.app.closed.length, { timeout: 10_000 }).toBe(world.app.sessions.length)
    expect(world.app.faults.filter(({ message }) => message !== 'the target broke the protocol')).toEqual([])
    const client = await rawClient(world.connection)
    client.send(encodeQuery('SELECT 1'))
    expect(brief(await client.until('Z'))).toBe('T D(1) C(SELECT 1) Z(I)')
    client.close()
  } finally {
    await world.close()
    proxy.close()
    for (const socket of sockets) socket.destroy()
    await db.close()
  }
})
