import { setImmediate as tick } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld, plainControl } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { bind, describe as asks, execute, parse } from '../../../test/support/random-sessions.ts'
import { rawClient } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import { framed } from '../../../test/support/strict-framing.ts'
import { targetProxy } from '../../../test/support/target-proxy.ts'
import type { ProxyLine, TargetProxy } from '../../../test/support/target-proxy.ts'
import { encodeClose, encodeQuery, FLUSH, SYNC } from '../../wire/postgres/frontend.ts'

/** Every message of either side, cut at every byte: the same bytes come out. */
const CONVERSATION: readonly (readonly Buffer[])[] = [
  [encodeQuery("SELECT n, NULL, repeat('x', n) FROM generate_series(1, 3) n; SELECT 1/0")],
  [
    parse('a', 'SELECT $1::text, $2::int', [25, 23]),
    asks('statement', 'a'),
    FLUSH,
    bind('p', 'a', [Buffer.from('ü'), null], [0], [1]),
    asks('portal', 'p'),
    execute('p', 1),
    execute('p'),
    encodeClose('portal', 'p'),
    encodeClose('statement', 'a'),
    bind('', 'a'),
    SYNC,
  ],
  [encodeQuery('COPY t FROM STDIN'), framed('d', '1\n2\n'), framed('d', ''), framed('c')],
  [encodeQuery('COPY t FROM STDIN'), framed('d', '3\n'), framed('f', 'no\0')],
  [encodeQuery('COPY t TO STDOUT'), encodeQuery(''), encodeQuery('SET TimeZone = UTC')],
  [encodeQuery("DO $$ BEGIN RAISE NOTICE 'hm'; END $$; LISTEN news; NOTIFY news, 'x'"), encodeQuery('TRUNCATE t')],
]
const readies = (part: readonly Buffer[]): number =>
  part.filter((frame) => frame[0] === 'Q'.charCodeAt(0) || frame[0] === 'S'.charCodeAt(0)).length

let db: TestDatabase
let proxy: TargetProxy
let world: GatewayWorld
let client: RawClient
beforeAll(async () => {
  db = await testServer()
  await db.query('CREATE TABLE t (id int)')
  proxy = await targetProxy(db.target)
  world = await gatewayWorld(
    { ...db.target, port: proxy.port, sslmode: 'disable' },
    { control: plainControl(db.target.port) },
  )
  world.app.rule = () => 'allow'
  client = await rawClient(world.connection)
})
afterAll(async () => {
  client.close()
  await world.close()
  await proxy.close()
  await db.close()
})

/** Cuts lie this far apart in one sending, so that most messages have one; each sending begins them a byte later. */
const STRIDE = 24
function pieces(bytes: Buffer, first: number): readonly Buffer[] {
  const parts: Buffer[] = []
  for (let from = 0, to = first; from < bytes.length; from = to, to += STRIDE) parts.push(bytes.subarray(from, to))
  return parts
}
async function inPieces(bytes: Buffer, first: number, write: (piece: Buffer) => void): Promise<void> {
  for (const piece of pieces(bytes, first)) {
    write(piece)
    await tick()
    await tick()
  }
}

async function answer(part: readonly Buffer[], first = 0): Promise<string> {
  const bytes = Buffer.concat(part)
  if (first === 0) client.send(bytes)
  else await inPieces(bytes, first, (piece) => client.send(piece))
  const all: Buffer[] = []
  for (let left = readies(part); left > 0; left--) all.push(...(await client.until('Z')).map((one) => one.bytes))
  return Buffer.concat(all).toString('latin1')
}
const noFaults = () => {
  expect(proxy.faults).toEqual([])
  expect(world.app.faults).toEqual([])
}

it('from the client', async () => {
  for (const part of CONVERSATION) {
    const whole = await answer(part)
    for (let first = 1; first <= STRIDE; first++) expect([first, await answer(part, first)]).toEqual([first, whole])
  }
  noFaults()
})

it('from the target', async () => {
  let first = 0
  const cut = (chunk: Buffer, line: ProxyLine): Buffer => {
    if (first === 0) return chunk
    line.far.pause()
    void inPieces(chunk, first, (piece) => line.near.write(piece)).then(() => line.far.resume())
    return Buffer.alloc(0)
  }
  proxy.hooks = { onServer: cut }
  for (const part of CONVERSATION) {
    first = 0
    const whole = await answer(part)
    for (let place = 1; place <= STRIDE; place++) {
      first = place
      expect([place, await answer(part)]).toEqual([place, whole])
    }
  }
  noFaults()
})
