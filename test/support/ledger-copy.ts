import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { canonicalBytes } from '../../src/domain/canonical.ts'
import { encodeBundle } from '../../src/domain/ledger/bundle.ts'
import { checkpointText, signedCheckpoint } from '../../src/domain/ledger/checkpoint.ts'
import { cosignedMessage, encodeCosignature } from '../../src/domain/ledger/cosignature.ts'
import type { Entry } from '../../src/domain/ledger/entry.ts'
import { EMPTY_EDGE, extendTree } from '../../src/domain/ledger/extend.ts'
import { commitTo, leafBytes } from '../../src/domain/ledger/leaf.ts'
import { leafHash } from '../../src/domain/ledger/merkle.ts'
import { formatVerifierKey, noteKey, signatureLine } from '../../src/domain/ledger/note.ts'
import type { NoteAlgorithm } from '../../src/domain/ledger/note.ts'
import { textBytes } from '../../src/domain/ledger/text-bytes.ts'
import { bundlePath, TILE_WIDTH, tilePath, tilesOf } from '../../src/domain/ledger/tiles.ts'
import { instant } from '../../src/domain/time.ts'

/** A key pair of notes. */
export function signer(name: string, algorithm: NoteAlgorithm = 1) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = noteKey(name, algorithm, publicKey.export({ format: 'der', type: 'spki' }).subarray(12))
  return { key, verifier: formatVerifierKey(key), sign: (message: Uint8Array) => sign(null, message, privateKey) }
}
export type Signer = ReturnType<typeof signer>

/** An entry, with when it was recorded. */
export interface Told {
  readonly entry: Entry
  readonly at: number
}

export const START = 1_764_000_000_000
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The way of one request: asked by Ana, approved by Mia, run once, ended and seen gone. Ten entries. */
export function oneRequest(n: number, at = START + n * 10_000): readonly Told[] {
  const [request, grant, session, digest] = [`HP-${n}`, `G-${n}`, `S-${n}`, digestOf(`DELETE ${n}`)]
  const common = { request, digest }
  const moved = {
    grant,
    ...common,
    principal: 'ana',
    scope: 'once',
    verbs: ['delete'],
    session,
    revision: 3,
    startsAt: at + 3_000,
    expiresAt: at + 603_000,
  }
  const requirements = [{ key: 'team:payments', count: 1, distinct: true, eligible: ['dev', 'mia'] }]
  const opened = {
    ...common,
    kind: 'statement',
    requester: 'ana',
    verbs: ['delete'],
    decision: 'hold',
    cause: 'rule',
    rules: ['deletes-are-reviewed'],
    requirements,
    scope: 'once',
    revision: 3,
    session,
    expiresAt: at + 3_600_000,
  }
  const about = (kind: string, subject: string, body: Entry['body'], actor?: string): Entry => ({
    kind,
    subject,
    resource: 'shop-db',
    body,
    ...(actor === undefined ? {} : { actor }),
  })
  const entries = [
    about(
      'session.opened',
      `session/${session}`,
      { session, principal: 'ana', decision: 'allow', client: 'psql' },
      'ana',
    ),
    about('request.opened', `request/${request}`, opened, 'ana'),
    about('review.given', `request/${request}`, { ...common, verdict: 'approve', words: `fine ${n}` }, 'mia'),
    about('request.approved', `request/${request}`, { ...common, revision: 3, grant, by: ['mia'] }, 'mia'),
    about('grant.active', `grant/${grant}`, moved, 'mia'),
    about('execution.started', `request/${request}`, { ...common, session }),
    about('execution.succeeded', `request/${request}`, { ...common, session, rows: n }),
    about('grant.ending', `grant/${grant}`, { ...moved, why: 'completed' }),
    about('grant.ended', `grant/${grant}`, { ...moved, why: 'completed' }),
    about('session.closed', `session/${session}`, { session, principal: 'ana', why: 'client' }),
  ]
  return entries.map((entry, i) => ({ entry, at: at + i * 1_000 }))
}

/** As many entries as asked for, in whole requests. */
export const story = (entries: number): readonly Told[] =>
  Array.from({ length: Math.ceil(entries / 10) }, (_, n) => oneRequest(n + 1)).flat()

/** Files of a copy, by path: what `hp ledger export` writes and the verifier reads. */
export type Files = Map<string, Uint8Array>
export const sourceOf = (files: Files) => ({ read: (path: string) => Promise.resolve(files.get(path)) })

export interface Made {
  readonly files: Files
  readonly leaves: readonly Uint8Array[]
  readonly checkpoints: readonly string[]
}

const saltOf = (i: number): Buffer => createHash('sha256').update(`salt ${i}`).digest().subarray(0, 16)
const bytesOf = ({ entry: { kind, subject, actor, resource, body }, at }: Told): Uint8Array =>
  canonicalBytes({ kind, subject, actor, resource, at, body })

export const leavesOf = (told: readonly Told[]): readonly Uint8Array[] =>
  told.map((one, i) => leafBytes(one.entry, instant(one.at), commitTo(saltOf(i), bytesOf(one))))

/** A whole log as a copy, signed at each of `sizes` and at its end. Bodies in `erased` are gone. */
export function makeCopy(
  log: Signer,
  told: readonly Told[],
  of: { readonly sizes?: readonly number[]; readonly witness?: Signer; readonly erased?: readonly number[] } = {},
): Made {
  const made = copyOfLeaves(log, leavesOf(told), of)
  for (let from = 0; from < told.length; from += TILE_WIDTH) {
    const lines = told
      .slice(from, from + TILE_WIDTH)
      .map((one, i) =>
        of.erased?.includes(from + i) === true
          ? 'null\n'
          : `${JSON.stringify({ salt: saltOf(from + i).toString('base64'), body: Buffer.from(bytesOf(one)).toString('base64') })}\n`,
      )
    const path = bundlePath({ index: from / TILE_WIDTH, width: Math.min(TILE_WIDTH, told.length - from) }).replace(
      'tile/entries',
      'bodies',
    )
    made.files.set(path, textBytes(lines.join('')))
  }
  return made
}

/** The same without bodies. */
export function copyOfLeaves(
  log: Signer,
  leaves: readonly Uint8Array[],
  { sizes = [], witness }: { readonly sizes?: readonly number[]; readonly witness?: Signer } = {},
): Made {
  const files: Files = new Map()
  let edge = EMPTY_EDGE
  const tiles = new Map<string, Uint8Array>()
  const checkpoints: string[] = []
  for (const size of [...new Set([...sizes, leaves.length])].filter((s) => s <= leaves.length).sort((a, b) => a - b)) {
    const grown = extendTree(edge, leaves.slice(edge.size, size).map(leafHash))
    edge = grown.edge
    for (const tile of grown.written) tiles.set(tilePath(tile), tile.hashes)
    const checkpoint = { origin: log.key.name, size, root: edge.root }
    const text = checkpointText(checkpoint)
    const note = signedCheckpoint(checkpoint, log.key, log.sign(textBytes(text)))
    const seconds = START / 1000 + size
    checkpoints.push(
      witness === undefined
        ? note
        : note +
            signatureLine({
              name: witness.key.name,
              keyId: witness.key.id,
              bytes: encodeCosignature(seconds, witness.sign(cosignedMessage(text, seconds))),
            }),
    )
  }
  for (const at of tilesOf(leaves.length)) {
    files.set(tilePath(at), tiles.get(tilePath(at)) ?? new Uint8Array())
    const first = at.index * TILE_WIDTH
    if (at.level === 0) files.set(bundlePath(at), encodeBundle(leaves.slice(first, first + at.width)))
  }
  files.set('checkpoint', textBytes(checkpoints.at(-1) ?? ''))
  files.set(
    'checkpoints',
    textBytes(
      checkpoints
        .slice(0, -1)
        .map((note) => `${JSON.stringify(note)}\n`)
        .join(''),
    ),
  )
  files.set('keys', textBytes(`${log.verifier}\n`))
  return { files, leaves, checkpoints }
}
