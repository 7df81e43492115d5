import { afterEach, beforeEach, expect, it } from 'vitest'
import { testServer } from '../../../test/support/database.ts'
import type { TestDatabase } from '../../../test/support/database.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import type { GatewayWorld } from '../../../test/support/gateway-world.ts'
import { brief, rawClient } from '../../../test/support/raw-client.ts'
import type { RawClient } from '../../../test/support/raw-client.ts'
import { targetProxy } from '../../../test/support/target-proxy.ts'
import type { ProxyLine, TargetProxy } from '../../../test/support/target-proxy.ts'
import { encodeParameterStatus, encodeTold } from '../../wire/postgres/encode.ts'
import {
  encodeBind,
  encodeClose,
  encodeExecute,
  encodeParse,
  encodeQuery,
  FLUSH,
  SYNC,
} from '../../wire/postgres/frontend.ts'

/** What a target says unasked ("Asynchronous Operations", 54.2.7), and what a client asks about nothing. */
let db: TestDatabase
let proxy: TargetProxy
let world: GatewayWorld
let client: RawClient
let line: ProxyLine
/** Texts that the gateway itself has parsed on the client's connection. */
let looks: number
beforeEach(async () => {
  db = await testServer()
  await db.query('CREATE TABLE carts (id int)')
  await db.query('INSERT INTO carts SELECT generate_series(1, 20)')
  looks = 0
  proxy = await targetProxy(db.target, {
    onClient(message, of) {
      line = of
      if (message.bytes.includes('pg_prepared_statements')) looks += 1
      return false
    },
  })
  world = await gatewayWorld({ ...db.target, port: proxy.port, sslmode: 'disable' })
  world.app.rule = (action) => (action.verb === 'delete' ? 'hold' : 'allow')
  client = await rawClient(world.connection)
})
afterEach(async () => {
  client.close()
  await world.close()
  await proxy.close()
  expect(world.app.faults).toEqual([])
  expect(proxy.faults).toEqual([])
  await db.close()
})
const ask = async (text: string): Promise<string> => {
  client.send(encodeQuery(text))
  return brief(await client.until('Z'))
}
const notification = (payload: string): Buffer => {
  const frame = Buffer.from(`A\0\0\0\0\0\0\0\x07news\0${payload}\0`, 'latin1')
  frame.writeUInt32BE(frame.length - 1, 1)
  return frame
}
const said = (message: string): Buffer => encodeTold({ severity: 'NOTICE', code: '00000', message })

it('reaches a client that waits for people, in order and unchanged, before the answer of what it waits for', async () => {
  const next = world.app.nextHold()
  client.send(encodeQuery('DELETE FROM carts WHERE id = 1'))
  const held = await next
  await client.until('N')
  const unasked = [
    notification('one'),
    said('two'),
    encodeParameterStatus('application_name', 'three'),
    notification('four'),
  ]
  for (const bytes of unasked) {
    line.near.write(bytes)
    const [message] = await client.until(String.fromCharCode(bytes.readUInt8(0)))
    expect(message?.bytes).toEqual(bytes)
  }
  // Split where it hurts, and the approval between the halves.
  const long = notification('x'.repeat(5000))
  line.near.write(long.subarray(0, 3))
  held.approve()
  const running = await client.until('N')
  expect(running).toHaveLength(1)
  line.near.write(long.subarray(3))
  const answer = await client.until('Z')
  expect(answer[0]?.bytes).toEqual(long)
  expect(brief(answer.slice(1))).toBe('C(DELETE 1) Z(I)')
})

it('reaches a client that does nothing, or has a transaction open', async () => {
  await ask('BEGIN')
  line.near.write(Buffer.concat([said('one'), notification('two')]))
  expect(brief(await client.until('A'))).toBe('A')
  expect(await ask('COMMIT')).toBe('C(COMMIT) Z(I)')
  line.near.write(notification('three'))
  expect(brief(await client.until('A'))).toBe('A')
})

it.each([
  ['session_authorization', 'somebody'],
  ['is_superuser', 'off'],
  ['search_path', 'evil'],
  ['DateStyle', 'German'],
])('a change of %s that nobody followed is looked at before the next statement', async (name, value) => {
  await ask('SELECT 1')
  await ask('SELECT 1')
  const before = looks
  line.near.write(encodeParameterStatus(name, value))
  await client.until('S')
  expect(await ask('SELECT 2')).toContain('D(2)')
  expect(looks).toBe(before + 1)
  // Said again it is nothing new.
  line.near.write(encodeParameterStatus(name, value))
  await client.until('S')
  expect(await ask('SELECT 3')).toContain('D(3)')
  expect(looks).toBe(before + 1)
})

it('LISTEN, NOTIFY and UNLISTEN work as without the gateway', async () => {
  expect(await ask('LISTEN news')).toBe('C(LISTEN) Z(I)')
  expect(await ask("NOTIFY news, 'own'")).toBe('C(NOTIFY) A Z(I)')
  await db.query("NOTIFY news, 'other'")
  expect(brief(await client.until('A'))).toBe('A')
  expect(await ask('UNLISTEN *')).toBe('C(UNLISTEN) Z(I)')
})

it('names that nothing has: Describe, Close, Flush, Execute and Bind', async () => {
  const described = (what: string, name: string): Buffer => {
    const frame = encodeClose(what === 'S' ? 'statement' : 'portal', name)
    frame.writeUInt8(0x44, 0)
    return frame
  }
  const tries: readonly (readonly [readonly Buffer[], string])[] = [
    [[described('S', 'nothing'), SYNC], 'E(26000) Z(I)'],
    [[described('P', 'nothing'), SYNC], 'E(34000) Z(I)'],
    [[encodeClose('statement', 'nothing'), encodeClose('portal', 'nothing'), SYNC], '3 3 Z(I)'],
    [[encodeBind('', 'nothing'), encodeExecute(''), SYNC], 'E(26000) Z(I)'],
    [[encodeExecute('nothing'), SYNC], 'E(34000) Z(I)'],
    [[FLUSH, FLUSH, SYNC], 'Z(I)'],
    [[encodeParse('a', 'SELECT 1'), described('S', 'a'), FLUSH, SYNC], '1 t T Z(I)'],
    [[encodeClose('statement', 'a'), described('S', 'a'), SYNC], '3 E(26000) Z(I)'],
  ]
  for (const [frames, expected] of tries) {
    client.send(...frames)
    expect(brief(await client.until('Z'))).toBe(expected)
  }
  expect(await ask('SELECT 1')).toContain('D(1)')
})

it('58: FunctionCall fails what is open, a transaction or a pipeline, and says how else', async () => {
  const call = Buffer.from('F\0\0\0\x0e\0\0\x03\xbc\0\0\0\0\0\0', 'latin1')
  await ask('BEGIN')
  await ask('INSERT INTO carts VALUES (21)')
  client.send(call)
  expect(brief(await client.until('Z'))).toBe('E(0A000) Z(E)')
  expect(await ask('COMMIT')).toBe('C(ROLLBACK) Z(I)')
  client.send(encodeParse('', 'INSERT INTO carts VALUES (22)'), encodeBind('', ''), encodeExecute(''), call)
  expect(brief(await client.until('Z'))).toBe('1 2 C(INSERT 0 1) E(0A000) Z(I)')
  client.send(SYNC)
  expect(brief(await client.until('Z'))).toBe('Z(I)')
  expect(await ask('SELECT max(id) FROM carts')).toContain('D(20)')
})

it('large objects work through SQL', async () => {
  expect(await ask("SELECT lo_from_bytea(4711, 'abc')")).toContain('D(4711)')
  expect(await ask('SELECT lo_get(4711)')).toContain('D(\\x616263)')
  await ask('BEGIN')
  expect(await ask('SELECT loread(lo_open(4711, 262144), 2)')).toContain('D(\\x6162)')
  await ask('COMMIT')
  expect(await ask('SELECT lo_unlink(4711)')).toContain('D(1)')
})
