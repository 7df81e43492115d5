import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { canonicalBytes } from './canonical.ts'
import type { Digest, GrantId, PrincipalId, RequestId, ResourceName, Revision } from './ids.ts'
import type { SessionState } from './request/request.ts'
import type { Millis } from './time.ts'
import type { NamedVerb } from './verb.ts'

/*
 * What an approval is bound to. A digest is SHA-256 (lower-case hexadecimal) over the UTF-8 bytes of the
 * RFC 8785 canonical JSON of
 *
 *   { "v": 1, "kind": "...", "resource": ..., "principal": ..., ... }
 *
 * so that anybody can compute it again from what was recorded. Bytes never stand in it themselves: they enter as
 * {"bytes": <length>, "sha256": <hex>}, because text of any encoding, with any characters, then has one spelling.
 * A change of any field's meaning raises `v`.
 */
const VERSION = 1
/** 2: the session's settings are in it. */
const STATEMENT_VERSION = 2

/** A bound parameter as it will be sent: NULL is no bytes, and differs from none. */
export interface BoundParameter {
  /** 0 text, 1 binary (PostgreSQL protocol, Bind). */
  readonly format: number
  readonly bytes: Uint8Array | null
}

export interface StatementIdentity {
  readonly resource: ResourceName
  readonly principal: PrincipalId
  /** The exact bytes of the statement's text, as they will be sent: of the Query, or of the Parse that was bound. */
  readonly text: Uint8Array
  /** Simple query or extended: the same text does different things (several statements, one implicit transaction). */
  readonly protocol: 'simple' | 'extended'
  /** In order; real bytes, the masked ones too. Empty for a simple query. */
  readonly parameters: readonly BoundParameter[]
  /** The parameter types that Parse declared (OIDs), which choose the function or operator that runs. */
  readonly parameterTypes: readonly number[]
  /** The verbs of a declared run that an approval also covers. */
  readonly run?: readonly string[]
  /** The row limit of Execute; 0 for all. */
  readonly rowLimit?: number
  readonly state: SessionState
}

const hash = (value: Readonly<Record<string, unknown>>): Digest =>
  bytesToHex(sha256(canonicalBytes({ v: VERSION, ...value }))) as Digest

const bytes = (value: Uint8Array) => ({ bytes: value.length, sha256: bytesToHex(sha256(value)) })

/** One statement in one session. Two inputs have one digest only if the target would be asked for the very same thing. */
export function statementDigest(of: StatementIdentity): Digest {
  return hash({
    v: STATEMENT_VERSION,
    kind: 'statement',
    resource: of.resource,
    principal: of.principal,
    text: bytes(of.text),
    protocol: of.protocol,
    parameters: of.parameters.map((p) => ({ format: p.format, value: p.bytes === null ? null : bytes(p.bytes) })),
    parameterTypes: of.parameterTypes,
    rowLimit: of.rowLimit ?? 0,
    ...(of.run === undefined ? {} : { run: [...of.run].sort() }),
    state: {
      database: of.state.database,
      role: of.state.role,
      searchPath: of.state.searchPath,
      encoding: of.state.encoding,
      timeZone: of.state.timeZone,
      standardConformingStrings: of.state.standardConformingStrings,
      inTransaction: of.state.inTransaction,
      temporaryObjects: [...of.state.temporaryObjects].sort(),
      settings: { ...of.state.settings },
    },
  })
}

/** Opening one session. */
export const connectDigest = (of: {
  readonly resource: ResourceName
  readonly principal: PrincipalId
  readonly database: string
  readonly client: string
  readonly sourceAddress: string
}): Digest =>
  hash({
    kind: 'connect',
    resource: of.resource,
    principal: of.principal,
    database: of.database,
    client: of.client.toWellFormed(),
    sourceAddress: of.sourceAddress,
  })

/** Leave to do some verbs for a time. */
export const windowDigest = (of: {
  readonly resource: ResourceName
  readonly principal: PrincipalId
  readonly verbs: readonly NamedVerb[]
  readonly length: Millis
  readonly credential?: true
}): Digest =>
  hash({
    kind: 'window',
    resource: of.resource,
    principal: of.principal,
    verbs: [...of.verbs].sort(),
    length: of.length,
    ...(of.credential === undefined ? {} : { credential: true }),
  })

/** More time for one grant. */
export const extensionDigest = (of: {
  readonly resource: ResourceName
  readonly principal: PrincipalId
  readonly grant: GrantId
  readonly of: RequestId
  readonly length: Millis
}): Digest =>
  hash({
    kind: 'extension',
    resource: of.resource,
    principal: of.principal,
    grant: of.grant,
    of: of.of,
    length: of.length,
  })

/** A change of documents, over the whole set that would then be in force. `documents` must be JSON values. */
export const changeDigest = (of: {
  readonly principal: PrincipalId
  readonly base: Revision
  readonly documents: unknown
}): Digest =>
  hash({ kind: 'change', resource: 'holdpoint', principal: of.principal, base: of.base, documents: of.documents })
