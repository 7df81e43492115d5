import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld, plainControl } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient, textOf } from '../../../test/support/raw-client.ts'
import type { RawClient, RawMessage } from '../../../test/support/raw-client.ts'
import { framed, StrictReader } from '../../../test/support/strict-framing.ts'
import { targetProxy } from '../../../test/support/target-proxy.ts'
import type { ProxyLine, TargetProxy } from '../../../test/support/target-proxy.ts'
import { encodeBind, encodeClose, encodeExecute, encodeParse, encodeQuery, SYNC } from '../../wire/postgres/frontend.ts'

/*
 * A target that was honest until it stood, and lies in answer to a statement of the client's. Whatever it says, the
 * client reads whole messages and a sentence, the record says nothing that did not happen, and the gateway lives.
 */

const latin = (text: string): Buffer => Buffer.from(text, 'latin1')
const row = (...values: readonly (string | number)[]): Buffer =>
  framed(
    'D',
    Buffer.concat([
      latin(String.fromCharCode(0, values.length)),
      ...values.map((value) => {
        const size = Buffer.alloc(4)
        size.writeInt32BE(typeof value === 'number' ? value : value.length)
        return Buffer.concat([size, latin(typeof value === 'number' ? '' : value)])
      }),
    ]),
  )
const columns = (count: number): Buffer =>
  framed('T', latin(String.fromCharCode(count >> 8, count & 255) + `c\0${'\0'.repeat(18)}`.repeat(count)))
const complete = (tag = 'SELECT 1'): Buffer => framed('C', `${tag}\0`)
const ready = (status = 'I'): Buffer => framed('Z', status)
const declared = (type: string, length: number, body = ''): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(length >>> 0, 1)
  return Buffer.concat([head, latin(body)])
}
const ONE = [columns(1), row('1')]
const BROKE = '08P01 the target broke the protocol; the session was closed'

const MARK = '4711'
const simple = encodeQuery(`SELECT ${MARK}`)
const describeFrame = (() => {
  const frame = encodeClose('portal', '')
  frame[0] = 0x44
  return frame
})()
const extended = Buffer.concat([encodeParse('', `SELECT ${MARK}`), encodeBind('', ''), encodeExecute(''), SYNC])
const described = Buffer.concat([
  encodeParse('', `SELECT ${MARK}`),
  encodeBind('', ''),
  describeFrame,
  encodeExecute(''),
  SYNC,
])
const [PARSED, BOUND] = [framed('1'), framed('2')]

let db: TestDatabase
let proxy: TargetProxy
let world: GatewayWorld
let client: RawClient
let strict: StrictReader

beforeAll(async () => {
  db = await testServer()
  await db.query('CREATE TABLE carts (id int)')
  proxy = await targetProxy(db.target)
  world = await gatewayWorld(
    { ...db.target, port: proxy.port, sslmode: 'disable' },
    { control: plainControl(db.target.port) },
  )
})
afterAll(async () => {
  await world.close()
  await proxy.close()
  await db.close()
})
beforeEach(async () => {
  for (const list of [world.app.entries, world.app.closed, world.app.sessions, world.app.faults, world.app.finished])
    list.length = 0
  world.app.rule = () => 'allow'
  client = await rawClient(world.connection)
  strict = new StrictReader('server')
  client.socket.prependListener('data', (chunk: Buffer) => void strict.push(chunk))
})
afterEach(async () => {
  proxy.hooks = {}
  client.close()
  await expect.poll(() => world.app.closed.length).toBe(world.app.sessions.length)
  // What the gateway sent to the target was the protocol, and what the client read as well.
  expect(proxy.faults.splice(0)).toEqual([])
  expect(strict.fault).toBeUndefined()
})

/** From the first message with the mark on, the target says only this. */
function lie(say: (line: ProxyLine) => void): void {
  let lied = false
  proxy.hooks = {
    onClient(message, line) {
      if (line.muted) return true
      if (lied || !message.bytes.includes(MARK)) return false
      lied = true
      line.muted = true
      say(line)
      return true
    },
  }
}
const says = (message: RawMessage | undefined): string => {
  if (message === undefined) return 'nothing'
  return message.type === 'E'
    ? `${brief([message]).slice(2, 7)} ${textOf(message)}`
    : `${message.type}: ${message.bytes.toString('latin1')}`
}
const outcomes = () => world.app.entries.map(({ outcome }) => outcome)

describe('an answer that is not the protocol ends the session, and nothing is taken for done', () => {
  it.each<readonly [string, Buffer, readonly Buffer[]]>([
    ['a length of three', simple, [declared('C', 3)]],
    ['a length of zero', simple, [declared('Z', 0)]],
    ['a negative length', simple, [declared('D', -1)]],
    ['the most negative length', simple, [declared('D', 0x80000000)]],
    ['a length beyond what any row has', simple, [...ONE, declared('D', 0x40000010)]],
    ['a tag of two thousand bytes', simple, [...ONE, complete('S'.repeat(2000))]],
    ['a row description of 5 MiB', simple, [declared('T', 5 * 1024 * 1024)]],
    ['an error of 17 MiB', simple, [declared('E', 17 * 1024 * 1024)]],
    ['a status of no bytes', simple, [...ONE, complete(), declared('Z', 4)]],
    ['a status of two bytes', simple, [...ONE, complete(), declared('Z', 6, 'II')]],
    ['a status that does not exist', simple, [...ONE, complete(), ready('X')]],
    ['a row without a description', simple, [row('1'), complete(), ready()]],
    ['a second result without a description', simple, [...ONE, complete(), row('1'), complete(), ready()]],
    ['a row of too many columns', simple, [columns(1), row('1', '2'), complete(), ready()]],
    ['a row of too few columns', simple, [columns(2), row('1'), complete(), ready()]],
    ['a described row of too many columns', described, [PARSED, BOUND, columns(1), row('1', '2'), complete(), ready()]],
    ['60: a column of -2 bytes', simple, [columns(1), row(-2), complete(), ready()]],
    ['60: a column of 2 GiB', simple, [columns(1), row(0x7fffffff), complete(), ready()]],
    ['a column longer than its row', simple, [columns(1), row(5), complete(), ready()]],
    ['a row with bytes left over', simple, [columns(1), framed('D', latin('\0\x01\xff\xff\xff\xffxx'))]],
    ['a row of no bytes', simple, [columns(1), framed('D')]],
    ['rows and ready, without an end', simple, [...ONE, ready()]],
    ['ready at once', simple, [ready()]],
    ['ready before Parse is answered', extended, [ready()]],
    ['ready before Execute is answered', extended, [PARSED, BOUND, ready()]],
    ['Bind answered before Parse', extended, [BOUND, PARSED, row('1'), complete(), ready()]],
    ['Parse answered twice', extended, [PARSED, PARSED, BOUND]],
    ['a suspended portal that has no limit', extended, [PARSED, BOUND, row('1'), framed('s'), ready()]],
    ['no data, where rows were executed', extended, [PARSED, BOUND, framed('n')]],
    ['a portal suspended by a simple query', simple, [...ONE, framed('s'), ready()]],
    ['parameter types for a simple query', simple, [framed('t', latin('\0\0'))]],
    ['parameter types that do not add up', described, [PARSED, BOUND, framed('t', latin('\0\x02\0\0\0\x17'))]],
    ['a row description that does not add up', simple, [framed('T', latin('\0\x05'))]],
    ['a row description with a name without an end', simple, [framed('T', latin('\0\x01abc'))]],
    ['a tag without an end', simple, [...ONE, framed('C', 'SELECT 1')]],
    ['a tag with two ends', simple, [...ONE, framed('C', 'SELECT 1\0\0')]],
    ['an error without an end', simple, [framed('E', 'SERROR\0C42501\0Mno')]],
    ['an error of nothing', simple, [framed('E')]],
    ['a notice without an end', simple, [framed('N', 'SNOTICE\0Mno')]],
    ['a notice with bytes behind its end', simple, [framed('N', latin('SNOTICE\0Mno\0\0more'))]],
    ['a notification without an end', simple, [framed('A', latin('\0\0\0\x01channel\0payload'))]],
    ['a notification of two bytes', simple, [framed('A', latin('\0\0'))]],
    ['a parameter without an end', simple, [framed('S', 'TimeZone\0UTC')]],
    ['COPY in that nobody asked for', simple, [framed('G', latin('\0\0\0'))]],
    ['COPY in both directions', simple, [framed('W', latin('\0\0\0'))]],
    ['copy data without COPY', simple, [framed('d', 'x'), framed('c'), complete('COPY 1'), ready()]],
    ['the end of a copy without COPY', simple, [framed('c'), complete('COPY 1'), ready()]],
    [
      'a COPY that is no more than begun',
      simple,
      [framed('H', latin('\0\0\0')), framed('d', 'x'), complete(), ready()],
    ],
    ['a COPY of an unknown format', simple, [framed('H', latin('\x07\0\0'))]],
    ['a COPY whose columns do not add up', simple, [framed('H', latin('\0\0\x03\0\0'))]],
    ['the answer to a function call', simple, [framed('V', latin('\xff\xff\xff\xff'))]],
    ['a request to sign in once more', simple, [framed('R', latin('\0\0\0\x03'))]],
    ['another cancel key', simple, [framed('K', latin('\0\0\0\x01abcd'))]],
    ['a negotiation of the protocol', simple, [framed('v', latin('\0\x03\0\0\0\0\0\0'))]],
    ['a message of a type that does not exist', simple, [framed('\xff', 'x')]],
    ["a client's own message", simple, [framed('Q', 'DROP TABLE carts\0')]],
  ])('%s', async (_, sent, lies) => {
    lie((line) => line.near.write(Buffer.concat(lies)))
    client.send(sent)
    expect(says((await client.toEnd()).at(-1))).toBe(BROKE)
    await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'failed' }])
    expect(outcomes()).toEqual(['cut'])
    expect(world.app.faults.map(({ message }) => message)).toEqual(['the target broke the protocol'])
  })

  it.each<readonly [string, readonly Buffer[]]>([
    ['ready too often', [...ONE, complete(), ready(), ready()]],
    ['a row that nobody asked for', [...ONE, complete(), ready(), row('1')]],
    ['an end that nobody asked for', [...ONE, complete(), ready(), complete()]],
    ['an error that answers nothing', [...ONE, complete(), ready(), framed('E', 'SERROR\0C42501\0Mno\0\0')]],
  ])('%s, behind an answer that was good', async (_, lies) => {
    lie((line) => line.near.write(Buffer.concat(lies)))
    client.send(simple)
    const all = await client.toEnd()
    expect(brief(all)).toBe('T D(1) C(SELECT 1) Z(I) E(08P01)')
    await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'failed' }])
    expect(outcomes()).toEqual(['succeeded'])
  })

  it.each<readonly [string, string, string]>([
    ['57: another encoding', 'client_encoding', 'SJIS'],
    ['57: an encoding that is no more', 'client_encoding', ''],
    ['57: another reading of strings', 'standard_conforming_strings', 'off'],
  ])('%s is the end of the session, with a sentence', async (_, name, value) => {
    lie((line) => line.near.write(Buffer.concat([framed('S', `${name}\0${value}\0`), ...ONE, complete(), ready()])))
    client.send(simple)
    expect(says((await client.toEnd()).at(-1))).toMatch(/^0A000 (client_encoding became|standard_conforming_strings)/)
    await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'failed' }])
    expect(outcomes()).not.toContain('succeeded')
  })

  it('an error of no fields, and one that is nothing but a code, are errors', async () => {
    lie((line) => line.near.write(Buffer.concat([framed('E', '\0'), ready()])))
    client.send(simple)
    expect(brief(await client.until('Z'))).toBe('E(undefined) Z(I)')
    expect(world.app.entries).toMatchObject([{ outcome: 'failed', sqlstate: 'XX000' }])
  })

  it('what it says about itself changes nothing of what policy decides', async () => {
    lie((line) => {
      const parameters = ['is_superuser\0off\0', 'session_authorization\0ana\0', 'in_hot_standby\0on\0', 'x\0y\0']
      line.near.write(Buffer.concat([...parameters.map((one) => framed('S', one)), ...ONE, complete(), ready()]))
      // And is honest again.
      line.muted = false
    })
    client.send(simple)
    expect(brief(await client.until('Z'))).toBe('S S S S T D(1) C(SELECT 1) Z(I)')
    world.app.rule = ({ verb }) => (verb === 'delete' ? 'deny' : 'allow')
    client.send(encodeQuery('DELETE FROM carts'))
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
  })

  it('a false status does not let through what is refused', async () => {
    client.send(encodeQuery('BEGIN'))
    await client.until('Z')
    lie((line) => line.near.write(Buffer.concat([...ONE, complete(), ready('I')])))
    client.send(simple)
    expect(brief(await client.until('Z'))).toBe('T D(1) C(SELECT 1) Z(I)')
    world.app.rule = ({ verb }) => (verb === 'delete' ? 'deny' : 'allow')
    client.send(encodeQuery('DELETE FROM carts'))
    expect(brief(await client.until('Z'))).toBe('E(42501) Z(I)')
  })
})

describe('a target that ends in the middle', () => {
  const answer = Buffer.concat([...ONE, row('22'), framed('N', 'M\0\0'), complete('SELECT 2'), ready()])
  const LOST = '08006 shop-db: the target closed the connection; whether what ran was done is not known'

  it('of anything: the client reads whole messages and a sentence, and nothing is taken for done', async () => {
    for (let at = 0; at < answer.length; at++) {
      proxy.hooks = {}
      const other = await rawClient(world.connection)
      const reader = new StrictReader('server')
      other.socket.on('data', (chunk: Buffer) => void reader.push(chunk))
      lie((line) => line.near.end(answer.subarray(0, at)))
      const before = world.app.entries.length
      other.send(simple)
      const last = (await other.toEnd()).at(-1)
      // Within a row that the client has begun to read, no sentence has a place.
      const begun = at - columns(1).length
      const [first, both] = [row('1').length, row('1').length + row('22').length]
      const within = (begun > 4 && begun < first) || (begun > first + 4 && begun < both)
      expect([at, within ? LOST : says(last)]).toEqual([at, LOST])
      expect([at, reader.fault]).toEqual([at, undefined])
      await expect.poll(() => world.app.entries.slice(before).map(({ outcome }) => outcome)).toEqual(['cut'])
      other.close()
    }
    expect(new Set(world.app.closed.map(({ why }) => why))).toEqual(new Set(['target_left']))
  })

  it('that says why, in the middle of an approved statement: it failed, in its own words', async () => {
    world.app.rule = () => 'hold'
    const next = world.app.nextHold()
    lie((line) => line.near.end(framed('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating\0\0')))
    client.send(simple)
    ;(await next).approve()
    expect(says((await client.toEnd()).at(-1))).toBe('57P01 terminating')
    expect(world.app.finished).toMatchObject([{ outcome: 'failed', sqlstate: '57P01' }])
  })

  it('at the commit of what was approved: nobody knows, and nothing else is recorded', async () => {
    world.app.rule = ({ verb }) => (verb === 'delete' ? 'hold' : 'allow')
    const next = world.app.nextHold()
    client.send(encodeQuery('BEGIN'), encodeQuery('DELETE FROM carts'))
    ;(await next).approve()
    await client.until('Z')
    await client.until('Z')
    proxy.hooks = {
      onClient(message, line) {
        if (message.type === 'Q') line.near.end()
        return message.type === 'Q'
      },
    }
    client.send(encodeQuery('COMMIT'))
    expect(says((await client.toEnd()).at(-1))).toBe(LOST)
    await expect.poll(() => world.app.closed.map(({ why }) => why)).toEqual(['target_left'])
    expect(world.app.finished).toEqual([])
  })

  it('that says farewell and stays: what comes behind it is not believed', async () => {
    lie((line) =>
      line.near.write(Buffer.concat([framed('E', 'SFATAL\0VFATAL\0C57P01\0Mbye\0\0'), ...ONE, complete(), ready()])),
    )
    client.send(simple)
    const all = await client.toEnd()
    expect(brief(all)).toMatch(/^E\(57P01\)( E\(08P01\))?$/)
    expect(outcomes()).toEqual(['failed'])
  })
})

describe('a target without end', () => {
  it('sends notices, parameters and rows for ever: a client that does not read stops it, and its leaving ends it', async () => {
    let sent = 0
    const part = Buffer.concat(Array.from({ length: 500 }, () => row('x'.repeat(100))))
    lie((line) => {
      line.near.write(columns(1))
      const more = () => {
        while (!line.near.destroyed) {
          sent += part.length
          if (!line.near.write(part)) break
        }
      }
      line.near.on('drain', more)
      more()
    })
    client.socket.pause()
    client.send(simple)
    // The kernel's and the process's buffers fill, and then nothing more is taken.
    let before = -1
    await expect
      .poll(
        () => {
          const still = before === sent && sent > 0
          before = sent
          return still
        },
        { interval: 150, timeout: 10_000 },
      )
      .toBe(true)
    expect(sent).toBeLessThan(1024 * 1024 * 1024)
    client.close()
    await expect.poll(() => world.app.closed).toEqual([{ session: 'S-1', why: 'client_left' }])
    expect(outcomes()).toEqual(['cut'])
  })

  it('drips: every byte by itself is the same answer', async () => {
    const answer = Buffer.concat([...ONE, complete(), ready()])
    lie((line) => {
      const drip = (at: number) => {
        if (at === answer.length) return
        line.near.write(answer.subarray(at, at + 1), () => setImmediate(drip, at + 1))
      }
      drip(0)
    })
    client.send(simple)
    expect(Buffer.concat((await client.until('Z')).map(({ bytes }) => bytes))).toEqual(answer)
    expect(outcomes()).toEqual(['succeeded'])
  })

  it('answers a question of the gateway with rows without end: it is asked no longer', async () => {
    client.send(encodeQuery('CREATE TEMP TABLE looked (id int)'))
    await client.until('Z')
    let asked = false
    proxy.hooks = {
      onClient(message, line) {
        if (line.muted) return true
        if (message.type !== 'P') return false
        asked = true
        line.muted = true
        line.near.write(Buffer.concat([PARSED, BOUND]))
        const part = Buffer.concat(Array.from({ length: 1000 }, () => row('x'.repeat(4000))))
        const more = () => {
          while (!line.near.destroyed && line.near.write(part));
        }
        line.near.on('drain', more)
        more()
        return true
      },
    }
    client.send(encodeQuery('SELECT * FROM looked'))
    expect(says((await client.toEnd()).at(-1))).toBe(BROKE)
    expect(asked).toBe(true)
  })
})
