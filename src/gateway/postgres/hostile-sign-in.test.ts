import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { rawClient } from '../../../test/support/raw-client.ts'
import { framed } from '../../../test/support/strict-framing.ts'
import type { OpenTarget } from '../../app/ports/target.ts'
import { deriveScramKeys } from '../../wire/postgres/auth/scram-keys.ts'
import { challenge, verify } from '../../wire/postgres/auth/scram-server.ts'
import {
  encodeAuthenticationOk,
  encodeKeyData,
  encodeNegotiate,
  encodeParameterStatus,
  encodeReady,
  encodeSasl,
  encodeSaslContinue,
  encodeSaslFinal,
} from '../../wire/postgres/encode.ts'
import { decodeSaslInitial } from '../../wire/postgres/frontend.ts'

/*
 * A target that lies before the session stands. Whatever it says, the client reads a sentence, the gateway closes both
 * sides, and no password goes where it must not.
 */

const PASSWORD = 'pencil'
const SALT = Buffer.from('0123456789abcdef')
const NEXT = Buffer.from('next')
const code = (number: number): Buffer => framed('R', Buffer.from([0, 0, 0, number]))
const PLAIN = [encodeAuthenticationOk(), encodeKeyData(7, Buffer.from('abcd')), encodeReady('idle')]
const external = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address

let close = async (): Promise<void> => undefined
afterEach(() => close())

/** What a client reads that signs in, and everything that the target was sent. */
async function signIn(
  answer: (socket: Socket, sent: Buffer, turn: number) => void,
  target: { readonly host?: string; readonly password?: string | undefined } = {},
): Promise<{ readonly said: string; readonly sent: Buffer }> {
  const sockets: Socket[] = []
  const sent: Buffer[] = []
  const server = createServer((socket) => {
    let turn = 0
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      sent.push(chunk)
      answer(socket, chunk, turn++)
    })
  })
  const host = target.host ?? '127.0.0.1'
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  const password = 'password' in target ? {} : { password: PASSWORD }
  const behind: OpenTarget = { host, port, user: 'shop', database: 'shop', sslmode: 'disable', ...password }
  const world = await gatewayWorld(behind, { limits: { connectMs: 5000 } })
  close = async () => {
    for (const socket of sockets) socket.destroy()
    await world.close()
    server.close()
  }
  const said = await rawClient(world.connection).then(
    () => 'connected',
    (fault: Error) => fault.message.replace('shop-db: the target does not speak as it should: ', ''),
  )
  expect(world.app.closed).toHaveLength(1)
  await expect.poll(() => sockets.every((socket) => socket.destroyed || socket.readableEnded)).toBe(true)
  return { said, sent: Buffer.concat(sent) }
}
const script =
  (...turns: readonly (readonly Buffer[])[]) =>
  (socket: Socket, _: Buffer, turn: number): void =>
    void socket.write(Buffer.concat(turns[turn] ?? []))

/** SCRAM as a server has it, whose first and final message may be changed, with `end` behind a proof. */
function scram(change: {
  first?: (text: string) => string
  final?: (text: string) => string
  end?: readonly Buffer[]
}) {
  let exchange: Extract<ReturnType<typeof challenge>, { kind: 'challenge' }>['exchange'] | undefined
  return (socket: Socket, sent: Buffer, turn: number): void => {
    if (turn === 0) return void socket.write(encodeSasl(['SCRAM-SHA-256']))
    if (turn === 1) {
      const initial = decodeSaslInitial(sent)?.data ?? Buffer.alloc(0)
      const first = challenge(initial, { salt: SALT, iterations: 4096, nonce: 'c2VydmVy' })
      if (first.kind !== 'challenge') throw new Error(first.reason)
      exchange = first.exchange
      const text = first.message.toString('latin1')
      return void socket.write(encodeSaslContinue(Buffer.from(change.first?.(text) ?? text, 'latin1')))
    }
    if (turn !== 2 || exchange === undefined) return undefined
    const verified = verify(exchange, sent.subarray(5), [{ token: 't', ...deriveScramKeys(PASSWORD, SALT, 4096) }])
    const text = verified.kind === 'accepted' ? verified.message.toString('latin1') : 'e=invalid-proof'
    const final = encodeSaslFinal(Buffer.from(change.final?.(text) ?? text, 'latin1'))
    return void socket.write(Buffer.concat([final, ...(change.end ?? PLAIN)]))
  }
}

describe('SCRAM with a target that lies', () => {
  it.each([
    ['0', 'the first message of the server is not SCRAM'],
    ['1', 'the server asks for 1 iterations, outside 4096 to 600000'],
    ['4095', 'the server asks for 4095 iterations, outside 4096 to 600000'],
    ['600001', 'the server asks for 600001 iterations, outside 4096 to 600000'],
    ['2147483648', 'the first message of the server is not SCRAM'],
    ['-4096', 'the first message of the server is not SCRAM'],
    ['4.1e3', 'the first message of the server is not SCRAM'],
    ['4096,x=1', 'the server wants an extension'],
  ])('%s iterations are refused before anything is derived or proven', async (iterations, why) => {
    const { said, sent } = await signIn(scram({ first: (text) => text.replace(/i=\d+$/, `i=${iterations}`) }))
    expect(said).toBe(why)
    expect(sent.toString('latin1')).not.toContain('p=')
  })

  it.each<readonly [string, (text: string) => string, string]>([
    ['that is another one', (text) => text.replace(/^r=./, 'r=!'), 'the server did not continue our nonce'],
    ['that adds nothing', (text) => text.replace('c2VydmVy', ''), 'the server did not continue our nonce'],
  ])('a nonce %s is refused', async (_, first, why) => {
    expect((await signIn(scram({ first }))).said).toBe(why)
  })

  it.each<readonly [string, (text: string) => string, string]>([
    [
      'that is wrong',
      () => `v=${Buffer.alloc(32, 1).toString('base64')}`,
      'the server does not know the password it asked for',
    ],
    ['that is short', () => 'v=AAAA', 'the final message of the server is not SCRAM'],
    ['that is missing', () => 'v=', 'the final message of the server is not SCRAM'],
    ['in whose place stands an error', () => 'e=other-error', 'the proof was refused'],
  ])('a signature %s ends it, whatever stands behind', async (_, final, why) => {
    expect((await signIn(scram({ final }))).said).toBe(why)
  })

  it('the proof of the server cannot be left out', async () => {
    const lie = scram({})
    const { said } = await signIn((socket, sent, turn) =>
      turn === 2 ? void socket.write(Buffer.concat(PLAIN)) : lie(socket, sent, turn),
    )
    expect(said).toBe('the server did not prove what it must')
  })
})

describe('what stands around signing in', () => {
  const notice = framed('N', 'SNOTICE\0VNOTICE\0C00000\0Mhello\0\0')
  it.each<readonly [string, Buffer]>([
    ['notices', notice],
    ['parameters', encodeParameterStatus('x', 'y')],
    ['parameters of many bytes', encodeParameterStatus('x', 'y'.repeat(60_000))],
  ])('%s without end are heard no longer, long before the time is up', async (_, one) => {
    const many = Buffer.concat(Array.from({ length: Math.max(1, Math.ceil(65_536 / one.length)) }, () => one))
    const { said } = await signIn((socket, __, turn) => {
      if (turn > 0) return
      socket.write(encodeAuthenticationOk())
      const more = () => {
        while (!socket.destroyed && socket.write(many));
      }
      socket.on('drain', more)
      more()
    })
    expect(said).toBe('it says too much while signing in')
  })

  it('so are parameters and notices behind a question', async () => {
    const { said } = await signIn((socket, _, turn) => {
      socket.write(Buffer.concat(turn === 0 ? PLAIN : Array.from({ length: 40_000 }, () => notice)))
    })
    expect(said).toBe('it says too much while signing in')
  })

  const key = encodeKeyData(7, Buffer.from('abcd'))
  const ok = encodeAuthenticationOk()
  it.each<readonly [string, readonly Buffer[], string]>([
    ['two cancel keys', [ok, key, key], 'a cancel key out of turn'],
    ['a cancel key before anything is proven', [key], 'a cancel key out of turn'],
    ['a cancel key of 257 bytes', [ok, encodeKeyData(7, Buffer.alloc(257))], 'a malformed cancel key'],
    ['a cancel key of no bytes', [ok, encodeKeyData(7, Buffer.alloc(0))], 'a malformed cancel key'],
    ['a newer protocol than was asked for', [encodeNegotiate(2, [])], 'an impossible protocol version'],
    ['options that were not sent', [encodeNegotiate(0, ['_pq_.x'])], 'an impossible protocol version'],
    ['a negotiation that is late', [ok, encodeNegotiate(0, [])], 'an impossible protocol version'],
    ['a negotiation cut short', [framed('v', NEXT)], 'an impossible protocol version'],
    ['ready before it let us in', [encodeReady('idle')], 'ready out of turn'],
    ['letting us in twice', [ok, ok], 'the server did not prove what it must'],
    ['Kerberos', [code(2)], 'the server asks for a way to sign in that is not accepted here (code 2)'],
  ])('%s: refused', async (_, lies, why) => {
    expect((await signIn(script(lies))).said).toBe(why)
  })
})

describe.skipIf(external === undefined)('a target on another machine, without a verified certificate', () => {
  const there = { host: external ?? '' }
  it('never gets the password in clear text over plain TCP', async () => {
    const { said, sent } = await signIn(script([code(3)], PLAIN), there)
    expect(said).toBe('the server asks for a way to sign in that is not accepted here (cleartext)')
    expect(sent.toString('latin1')).not.toContain(PASSWORD)
  })

  it('has to ask for the password that there is for it', async () => {
    const { said, sent } = await signIn(script(PLAIN), there)
    expect(said).toBe('it does not ask for the password that there is for it, and may not be the right server')
    expect(sent.toString('latin1')).not.toContain('SELECT')
  })

  it('need not ask for one where there is none, and on this machine need not either', async () => {
    const question = async (target: { readonly host?: string; readonly password?: undefined }) =>
      (await signIn(script(PLAIN, [framed('?')]), target)).sent
    expect((await question({ ...there, password: undefined })).toString()).toContain('SELECT')
    await close()
    expect((await question({})).toString()).toContain('SELECT')
  })
})
