import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld, plainControl } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { SCHEMA, turn } from '../../../test/support/random-sessions.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import { StrictReader } from '../../../test/support/strict-framing.ts'
import type { Framed } from '../../../test/support/strict-framing.ts'
import { targetProxy } from '../../../test/support/target-proxy.ts'
import type { ProxyLine, TargetProxy } from '../../../test/support/target-proxy.ts'
import { createClassifier } from '../../classify/postgres/classifier.ts'
import type { Classifier } from '../../classify/postgres/shape.ts'
import type { Verb } from '../../domain/verb.ts'
import { encodeQuery, SYNC } from '../../wire/postgres/frontend.ts'

/*
 * Good sessions with bytes that were changed on the way, on either side. The process lives, every connection goes on or
 * ends, and not one byte gets through that is not part of a whole, legal message, which policy allowed where it is a
 * text. HP_FUZZ_MINUTES=5 goes on for so long.
 */
const FOR_MS = Number(process.env['HP_FUZZ_MINUTES'] ?? 0.12) * 60_000
/** Names of the gateway's own statements, which it parses without asking anybody. */
const OWN = 'holdpoint.'
/** What policy denies here. */
const DENIED: ReadonlySet<Verb> = new Set(['delete', 'schema', 'unknown', 'admin'])
/** Longest that a spoilt session may take to end or to fall silent. */
const SILENCE_MS = 25

type Change = (bytes: Buffer, borders: readonly number[]) => Buffer

/** Where the messages of a stream begin. */
function bordersOf(bytes: Buffer): readonly number[] {
  const found: number[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 1 + Math.max(4, bytes.readUInt32BE(at + 1))) found.push(at)
  return found
}
const place = fc.nat()
const put = (bytes: Buffer, from: number, to: number, what: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, from), what, bytes.subarray(to)])
const message = (bytes: Buffer, borders: readonly number[], n: number): readonly [number, number] => {
  const i = n % borders.length
  return [borders[i] ?? 0, borders[i + 1] ?? bytes.length]
}
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(([at, byte]): Change => (bytes) => {
    const spoilt = Buffer.from(bytes)
    spoilt[at % spoilt.length] = byte
    return spoilt
  }),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 9 })).map(
    ([at, more]): Change =>
      (bytes) =>
        put(bytes, at % bytes.length, at % bytes.length, Buffer.from(more)),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 9 })).map(
    ([at, size]): Change =>
      (bytes) =>
        put(bytes, at % bytes.length, (at % bytes.length) + size, Buffer.alloc(0)),
  ),
  // Whole messages twice, gone, or changed about.
  place.map((n): Change => (bytes, borders) => {
    const [from, to] = message(bytes, borders, n)
    return put(bytes, to, to, bytes.subarray(from, to))
  }),
  place.map((n): Change => (bytes, borders) => {
    const [from, to] = message(bytes, borders, n)
    return put(bytes, from, to, Buffer.alloc(0))
  }),
  fc.tuple(place, place).map(([n, m]): Change => (bytes, borders) => {
    const [[a, b], [c, d]] = [message(bytes, borders, n), message(bytes, borders, m)].sort(([x], [y]) => x - y) as [
      [number, number],
      [number, number],
    ]
    if (b > c) return bytes
    return Buffer.concat([
      bytes.subarray(0, a),
      bytes.subarray(c, d),
      bytes.subarray(b, c),
      bytes.subarray(a, b),
      bytes.subarray(d),
    ])
  }),
  // Lengths that lie.
  fc
    .tuple(
      place,
      fc.constantFrom(0, 1, 3, 4, 5, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc, 0x40000003, 0x00010000),
    )
    .map(([n, length]): Change => (bytes, borders) => {
      const [from] = message(bytes, borders, n)
      const spoilt = Buffer.from(bytes)
      spoilt.writeUInt32BE(length, from + 1)
      return spoilt
    }),
  fc.tuple(place, fc.integer({ min: -3, max: 3 })).map(([n, by]): Change => (bytes, borders) => {
    const [from] = message(bytes, borders, n)
    const spoilt = Buffer.from(bytes)
    spoilt.writeUInt32BE((spoilt.readUInt32BE(from + 1) + by) >>> 0, from + 1)
    return spoilt
  }),
  place.map(
    (at): Change =>
      (bytes) =>
        bytes.subarray(0, at % bytes.length),
  ),
  // A piece of one place in another.
  fc.tuple(place, place, fc.nat(60)).map(([from, to, size]): Change => (bytes) => {
    const at = from % bytes.length
    return put(bytes, to % bytes.length, to % bytes.length, bytes.subarray(at, at + size))
  }),
)

let db: TestDatabase
let proxy: TargetProxy
let world: GatewayWorld
let real: Classifier
/** Texts that the gateway asked its classifier about. */
const asked = new Set<string>()
const wrong: string[] = []
const counts = { sessions: 0, fromClient: 0, toTarget: 0, fromTarget: 0, toClient: 0, ended: 0 }

beforeAll(async () => {
  db = await testServer()
  await db.query(SCHEMA)
  real = await createClassifier()
  proxy = await targetProxy(db.target)
  world = await gatewayWorld(
    { ...db.target, port: proxy.port, sslmode: 'disable' },
    {
      control: plainControl(db.target.port),
      classifier: {
        ...real,
        classify(text, ...rest) {
          asked.add(text)
          return real.classify(text, ...rest)
        },
      },
    },
  )
  world.app.rule = ({ verb }) => (DENIED.has(verb) ? 'deny' : 'allow')
})
afterAll(async () => {
  await world.close()
  await proxy.close()
  await db.close()
})

const textOf = ({ type, bytes }: Framed): string | undefined => {
  if (type !== 'Q' && type !== 'P') return undefined
  const body = bytes.toString('utf8', 5)
  const name = type === 'P' ? body.slice(0, body.indexOf('\0')) : ''
  if (name.startsWith(OWN)) return undefined
  return body.slice(type === 'P' ? name.length + 1 : 0).split('\0')[0]
}
/** What the gateway says to a target by itself, to sign in and to fail a transaction. */
const itsOwn = (text: string): boolean =>
  /pg_backend_pid|client_connection_check_interval|current_setting\('search_path'\)/.test(text) ||
  /^(BEGIN|ROLLBACK|holdpoint: refused before.*|(SAVEPOINT|ROLLBACK TO|RELEASE) "holdpoint\..*")$/.test(text)

/** What was parsed under each name; a Parse may be refused, and then the older one stands. */
const parsed = new WeakMap<ProxyLine, Map<string, string[]>>()
/** By its words alone: whether a function is known depends on the target. */
const denied = (text: string): boolean => {
  const classified = real.classify(text, undefined, '"$user", public')
  return (
    classified.kind === 'statements' &&
    classified.statements.some(({ verbs }) => verbs.includes('delete') || verbs.includes('schema'))
  )
}

/** Every text that reaches the target was asked about, and nothing that is denied is run or bound. */
function judge(frame: Framed, line: ProxyLine): boolean {
  counts.toTarget += 1
  const names = parsed.get(line) ?? new Map<string, string[]>()
  parsed.set(line, names)
  if (frame.type === 'B') {
    const [, name = ''] = frame.bytes.toString('utf8', 5).split('\0')
    const texts = names.get(name) ?? []
    if (texts.length > 0 && texts.every(denied)) wrong.push(`denied, and bound: ${texts.join(' | ')}`)
  }
  const text = textOf(frame)
  if (text === undefined) return false
  // A client may send the very words that the gateway sends by itself.
  if (frame.type === 'P') {
    const [name = ''] = frame.bytes.toString('utf8', 5).split('\0')
    names.set(name, [...(names.get(name) ?? []), text])
  }
  if (itsOwn(text)) return false
  if (!asked.has(text)) wrong.push(`never asked about: ${text}`)
  if (frame.type === 'Q' && denied(text)) wrong.push(`denied, and sent: ${text}`)
  return false
}

it(
  'lets nothing through that is not a whole message and decided, whatever is changed on either side',
  {
    timeout: FOR_MS + 120_000,
  },
  async () => {
    const until = performance.now() + FOR_MS
    const session = fc.tuple(
      fc.array(turn, { minLength: 1, maxLength: 8 }),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      fc.array(place, { maxLength: 3 }),
    )
    const spoil = (changes: readonly Change[], bytes: Buffer): Buffer =>
      changes.reduce((all, one) => (all.length < 6 ? all : one(all, bordersOf(all))), bytes)
    await fc.assert(
      fc.asyncProperty(session, async ([turns, changes, fromTarget, cuts]) => {
        if (performance.now() > until) return
        counts.sessions += 1
        const frames = [...turns.flat(), SYNC]
        counts.fromClient += frames.length
        proxy.hooks = { onClient: judge }
        const client = await rawClient(world.connection)
        const strict = new StrictReader('server')
        client.socket.prependListener('data', (chunk: Buffer) => void (counts.toClient += strict.push(chunk).length))
        if (fromTarget) {
          let left = 3
          proxy.hooks = {
            onClient: judge,
            onServer: (chunk) => {
              counts.fromTarget += 1
              return left-- > 0 ? spoil(changes, chunk) : chunk
            },
          }
        }
        const bytes = fromTarget ? Buffer.concat(frames) : spoil(changes, Buffer.concat(frames))
        const borders = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
        for (const [i, end] of borders.slice(1).entries()) client.send(bytes.subarray(borders[i], end))
        const over = client.toEnd().then(() => (counts.ended += 1))
        await Promise.race([over, new Promise((resolve) => setTimeout(resolve, SILENCE_MS))])
        proxy.hooks = { onClient: judge }
        client.close()
        expect(strict.fault).toBeUndefined()
        expect(wrong.splice(0)).toEqual([])
        expect(proxy.faults).toEqual([])
      }),
      { numRuns: 10_000_000, interruptAfterTimeLimit: FOR_MS, markInterruptAsFailure: false },
    )
    proxy.hooks = {}
    await expect.poll(() => world.gateway.connections(), { timeout: 20_000 }).toBe(0)
    await expect.poll(() => world.app.closed.length, { timeout: 20_000 }).toBe(world.app.sessions.length)
    const unexpected = world.app.faults.filter((fault) => fault.message !== 'the target broke the protocol')
    expect(unexpected).toEqual([])
    const client = await rawClient(world.connection)
    client.send(encodeQuery('SELECT 1'))
    expect(brief(await client.until('Z'))).toBe('T D(1) C(SELECT 1) Z(I)')
    client.close()
    expect(counts.sessions).toBeGreaterThan(0)
    if (process.env['HP_FUZZ_MINUTES'] !== undefined) process.stderr.write(`${JSON.stringify(counts)}\n`)
  },
)
