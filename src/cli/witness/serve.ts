import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { cosignedMessage, encodeCosignature } from '../../domain/ledger/cosignature.ts'
import { formatVerifierKey, noteKey, signatureLine } from '../../domain/ledger/note.ts'
import type { NoteKey } from '../../domain/ledger/note.ts'
import { consider } from '../../domain/ledger/witness.ts'
import type { WitnessAnswer } from '../../domain/ledger/witness.ts'
import { verifyEd25519 } from './ed25519.ts'
import type { WitnessMemory } from './memory.ts'

/** 63 hashes and a note are far smaller. */
const LARGEST = 64 * 1024

export interface WitnessDeps {
  readonly memory: WitnessMemory
  /** Of the logs it watches. */
  readonly keys: readonly NoteKey[]
  /** Milliseconds since 1970: what a cosignature says. */
  readonly now: () => number
  /** One line: a fork, a fault. */
  readonly say: (line: string) => void
}

/** The key to trust this witness by. */
export const witnessKey = ({ name, publicKey }: Pick<WitnessMemory, 'name' | 'publicKey'>): NoteKey =>
  noteKey(name, 4, publicKey)

/**
 * The HTTP side of a witness (C2SP tlog-witness): `POST /add-checkpoint`, and its key at `/`.
 * INVARIANT: between asking the memory and writing it nothing is awaited, so no two requests go on from the same tree.
 */
export function witnessServer(deps: WitnessDeps): Server {
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
      response.end(body)
    }
    if (request.url === '/' && request.method === 'GET')
      return answer(200, `${formatVerifierKey(witnessKey(deps.memory))}\n`)
    if (request.url !== '/add-checkpoint') return answer(404, 'no such page\n')
    if (request.method !== 'POST') return answer(405, 'POST an add-checkpoint request (c2sp.org/tlog-witness)\n')
    void readBody(request)
      .then((body) => {
        if (body === undefined) return answer(413, 'too large\n')
        const given = consider(body, {
          keys: deps.keys,
          lastOf: (origin) => deps.memory.lastOf(origin),
          verify: verifyEd25519,
        })
        if ('fork' in given && given.fork !== undefined) accuse(deps, given.fork)
        const line = cosign(deps, given)
        if (line !== undefined) return answer(200, line)
        if (given.status === 409) return answer(409, `${given.size}\n`, 'text/x.tlog.size')
        return answer(given.status, 'why' in given ? `${given.why}\n` : '')
      })
      .catch((error: unknown) => {
        // Whatever could not be remembered was not signed.
        deps.say(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
        if (!response.headersSent) answer(500, 'the witness could not write down what it saw\n')
      })
  })
  server.requestTimeout = 10_000
  server.headersTimeout = 5_000
  server.maxConnections = 256
  return server
}

/** The line of the cosignature; undefined when there is nothing to sign. */
function cosign({ memory, now }: WitnessDeps, given: WitnessAnswer): string | undefined {
  if (given.status !== 200) return undefined
  const { origin, size, root } = given.checkpoint
  memory.remember(origin, { size, root })
  const seconds = Math.floor(now() / 1_000)
  const key = witnessKey(memory)
  const signature = memory.sign(cosignedMessage(given.text, seconds))
  return signatureLine({ name: key.name, keyId: key.id, bytes: encodeCosignature(seconds, signature) })
}

function accuse({ memory, say }: WitnessDeps, note: string): void {
  memory.keepFork(note)
  const [origin, size] = note.split('\n')
  say(
    `FORK? ${origin} signed a tree of ${size} that is not shown to go on from the one that was cosigned; its checkpoint is kept in forks.txt`,
  )
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > LARGEST) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
