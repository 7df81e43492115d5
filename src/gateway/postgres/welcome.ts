import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { GatewayApp, GatewayVerifiers } from '../../app/ports/gateway.ts'
import type { Principal } from '../../domain/principal.ts'
import {
  encodeAuthenticationOk,
  encodeNegotiate,
  encodeSasl,
  encodeSaslContinue,
  encodeSaslFinal,
  encodeTold,
} from '../../wire/postgres/encode.ts'
import { decodeSaslInitial, signInLimits } from '../../wire/postgres/frontend.ts'
import { HEADER } from '../../wire/postgres/frame.ts'
import { NEWEST_MINOR } from '../../wire/postgres/startup.ts'
import { serverEndPoint } from '../../wire/postgres/auth/channel-binding.ts'
import { SCRAM_MECHANISM, SCRAM_PLUS_MECHANISM } from '../../wire/postgres/auth/scram-keys.ts'
import { challenge, verify } from '../../wire/postgres/auth/scram-server.ts'
import type { ScramViolation } from '../../wire/postgres/auth/scram-server.ts'
import type { CancelKeys } from './cancel-keys.ts'
import { Packets } from './packets.ts'
import { printable, readStartup } from './startup-parameters.ts'
import type { Startup } from './startup-parameters.ts'
import { fatal } from './told.ts'

/** A client that proved who it is. AuthenticationOk was sent; nothing is read from the socket now. */
export interface Guest {
  readonly socket: Socket
  readonly startup: Startup
  readonly minor: number
  readonly principal: Principal
  readonly token: string
}
export interface WelcomeParts {
  readonly app: GatewayApp
  readonly keys: CancelKeys
  readonly tls: SecureContext
  /** Called with the socket to close in the end, once it is another one than at first. */
  readonly secured: (socket: Socket) => void
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/

/** A client that is turned away reads why, where its protocol has a place for it. */
class TurnedAway extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}
/** Closed without a word: a client that left, or one that may be an attack on TLS. */
class Silence extends Error {}
/** A cancel was dealt with. Its end is a proper one: libpq 17 and newer takes a bare end of TLS for a failure. */
class Cancelled extends Error {}

/**
 * From the first byte to a proven principal. Undefined when there is none: the client was told why, and is closed.
 * The caller closes the socket and bounds the time.
 */
export async function welcome(parts: WelcomeParts, plain: Socket): Promise<Guest | undefined> {
  let socket = plain
  // Known now; a socket that was closed has none.
  const sourceAddress = plain.remoteAddress ?? 'unknown'
  const secured = (now: Socket) => {
    socket = now
    parts.secured(now)
  }
  try {
    return await authenticate(parts, await negotiate({ ...parts, secured }, plain), sourceAddress)
  } catch (error) {
    if (error instanceof Silence) {
      socket.destroy()
      return undefined
    }
    if (error instanceof Cancelled) {
      socket.end()
      return undefined
    }
    const told =
      error instanceof TurnedAway
        ? fatal(error.code, error.message)
        : fatal('58000', 'who you are could not be checked (failure)')
    if (socket.writable) socket.end(encodeTold(told))
    if (!(error instanceof TurnedAway)) throw error
    return undefined
  }
}

interface Negotiated {
  readonly socket: Socket
  /** What SCRAM may be bound to: inside TLS only, and where the certificate allows it. */
  readonly endPoint: Buffer | undefined
  readonly packets: Packets
  readonly startup: Startup
  readonly minor: number
}

/** Encryption, cancel requests and the StartupMessage (section 54.2.1, 54.2.10, 54.2.11). */
async function negotiate(parts: WelcomeParts, plain: Socket): Promise<Negotiated> {
  let packets = new Packets(plain)
  let encrypted: TLSSocket | undefined
  const encrypt = async (direct: boolean): Promise<void> => {
    const begun = packets.release()
    encrypted = await secure(parts, plain, direct ? begun : undefined)
    packets = new Packets(encrypted)
  }
  for (let asked = 0; ; asked++) {
    const decoded = await packets.startup()
    if (decoded.kind === 'closed' || asked > 3) throw new Silence()
    if (decoded.kind === 'violation') throw new TurnedAway('08P01', VIOLATIONS[decoded.reason])
    if (decoded.kind === 'tls') {
      // Nothing but the very first byte may begin it: behind a request that was answered it is somebody else's.
      if (asked > 0) throw new Silence()
      await encrypt(true)
      continue
    }
    const { packet, rest } = decoded
    // CVE-2021-23214 and its kin: what stands behind this packet was not sent inside the TLS it asks for,
    // and no client speaks ahead of the challenge.
    if (rest.length > 0) {
      if (packet.kind === 'startup') throw new TurnedAway('08P01', 'unexpected data behind the startup message')
      throw new Silence()
    }
    switch (packet.kind) {
      case 'cancel_request':
        parts.keys.use(packet.pid, packet.secret)
        throw new Cancelled()
      case 'gssenc_request':
        if (encrypted !== undefined) throw new Silence()
        plain.write('N')
        break
      case 'ssl_request':
        if (encrypted !== undefined) throw new Silence()
        plain.write('S')
        await encrypt(false)
        break
      case 'startup': {
        if (encrypted === undefined && !LOOPBACK.test(plain.remoteAddress ?? '')) {
          throw new TurnedAway(
            '28000',
            'this gateway takes connections from other machines with TLS only (sslmode=require)',
          )
        }
        const socket = encrypted ?? plain
        const shut = parts.app.notYet()
        if (shut !== undefined) throw new TurnedAway('57P03', shut)
        const read = readStartup(packet.parameters)
        if (!read.ok) throw new TurnedAway(read.code, read.message)
        const minor = Math.min(packet.minor, NEWEST_MINOR)
        if (packet.minor > minor || read.unknownOptions.length > 0) {
          socket.write(encodeNegotiate(minor, read.unknownOptions))
        }
        const certificate = encrypted?.getX509Certificate()?.raw
        const endPoint = certificate === undefined ? undefined : serverEndPoint(certificate)
        return { socket, packets, endPoint, startup: read.startup, minor }
      }
      default:
        packet satisfies never
    }
  }
}

const VIOLATIONS = {
  bad_length: 'a startup packet of an impossible length',
  bad_body: 'a malformed startup packet',
  not_postgres: 'this port speaks the PostgreSQL protocol; this does not look like it',
  old_protocol: 'protocol 2 and older are not spoken here',
  new_protocol: 'only protocol 3 is spoken here',
} as const

/** What a client may say it speaks inside TLS (54.2.10), as the list of protocols that OpenSSL takes. */
const ALPN = Buffer.from('\x0apostgresql', 'latin1')

/**
 * TLS on the same connection. `begun`: the ClientHello of a client that did not ask first; it must name the protocol,
 * so that what speaks another one is not led here (54.2.10). A client that names only others is refused either way.
 */
function secure(parts: WelcomeParts, plain: Socket, begun: Buffer | undefined): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    if (begun !== undefined) plain.unshift(begun)
    const secured = new TLSSocket(plain, {
      isServer: true,
      secureContext: parts.tls,
      requestCert: false,
      ALPNProtocols: ALPN,
    })
    // Nobody needs it, and it has cost others much (CVE-2009-3555, CVE-2011-1473).
    secured.disableRenegotiation()
    // INVARIANT: on a socket that no tls.Server made, a record that is not TLS and a renegotiation are told by this
    // event alone, and would leave the connection standing.
    secured.on('_tlsError', () => secured.destroy())
    parts.secured(secured)
    const fail = () => reject(new Silence())
    secured.on('error', fail)
    secured.once('close', fail)
    secured.once('end', fail)
    secured.once('secure', () => {
      secured.off('close', fail)
      secured.off('end', fail)
      if (begun !== undefined && secured.alpnProtocol !== 'postgresql') fail()
      else resolve(secured)
    })
  })
}

/** SCRAM against every live gateway token of the user. An unknown name goes all the way, and fails at its end. */
async function authenticate(parts: WelcomeParts, from: Negotiated, sourceAddress: string): Promise<Guest> {
  const user = printable(from.startup.user)
  const verifiers = await parts.app.verifiers(from.startup.user)
  try {
    return await prove(from, verifiers, () => new TurnedAway('28P01', `sign-in failed for user "${user}"`))
  } catch (error) {
    if (error instanceof TurnedAway) {
      const refusal = error.code === '28P01' ? 'wrong_credentials' : 'invalid_input'
      parts.app.signInRefused({ user, principal: verifiers.principal, proven: false, refusal, sourceAddress })
    }
    throw error
  }
}

async function prove(from: Negotiated, verifiers: GatewayVerifiers, said: () => TurnedAway): Promise<Guest> {
  const { socket, packets, endPoint, startup } = from
  const offered = endPoint === undefined ? [SCRAM_MECHANISM] : [SCRAM_PLUS_MECHANISM, SCRAM_MECHANISM]
  socket.write(encodeSasl(offered))
  const initial = decodeSaslInitial(await answer(packets))
  if (initial?.data === undefined || !offered.includes(initial.mechanism))
    throw new TurnedAway('08P01', 'malformed SCRAM message')
  const nonce = randomBytes(18).toString('base64')
  const { salt, iterations } = verifiers
  const plus = initial.mechanism === SCRAM_PLUS_MECHANISM
  const first = challenge(initial.data, { salt, iterations, nonce, endPoint, plus })
  if (first.kind === 'violation') throw malformed(first.reason)
  socket.write(encodeSaslContinue(first.message))
  const last = verify(first.exchange, (await answer(packets)).subarray(HEADER), verifiers.keys)
  if (last.kind === 'violation') throw malformed(last.reason)
  const { principal } = verifiers
  if (last.kind === 'refused' || principal === undefined || principal.disabled) throw said()
  if (packets.release().length > 0) throw new TurnedAway('08P01', 'unexpected data behind the sign-in')
  socket.write(Buffer.concat([encodeSaslFinal(last.message), encodeAuthenticationOk()]))
  return { socket, startup, minor: from.minor, principal, token: last.token }
}

function malformed(reason: ScramViolation): TurnedAway {
  return reason === 'channel_binding_downgraded'
    ? new TurnedAway(
        '28000',
        'channel binding was offered, and the client was told that it was not: is somebody between?',
      )
    : new TurnedAway('08P01', `malformed SCRAM message (${reason.replaceAll('_', ' ')})`)
}

/** One answer of the client; a StartupMessage or anything else in its place ends the connection (CVE-2026-107350). */
async function answer(packets: Packets): Promise<Buffer> {
  const piece = await packets.message(signInLimits)
  if (piece.kind === 'closed') throw new Silence()
  if (piece.kind === 'violation') throw new TurnedAway('08P01', 'a message that does not belong into a sign-in')
  return piece.bytes
}
