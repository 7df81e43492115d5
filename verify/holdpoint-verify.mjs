#!/usr/bin/env node
/*
 * Verifies a Holdpoint ledger. One file, no dependencies: read it, then run it with Node 24 or newer (20 will do).
 *
 *   node holdpoint-verify.mjs DIR --key VKEY [--witness VKEY]... [--checkpoint FILE]... [--at TIME] [--json]
 *
 * DIR is what `hp ledger export DIR` wrote, or any mirror of a log in the layout of C2SP tlog-tiles:
 *
 *   checkpoint                 the newest signed checkpoint            c2sp.org/tlog-checkpoint, c2sp.org/signed-note
 *   checkpoints                older ones, one JSON string a line      (optional)
 *   tile/entries/<N>[.p/<W>]   the leaves, 256 to a bundle             c2sp.org/tlog-tiles
 *   tile/<L>/<N>[.p/<W>]       the hashes of the tree                  c2sp.org/tlog-tiles, RFC 6962
 *   bodies/<N>[.p/<W>]         what leaves are bound to, one JSON value a line: {"salt","body"} in base64, or null where
 *                              it was erased                           (optional)
 *   keys                       verifier keys, one a line               (a convenience: whoever forges a log forges these)
 *
 * What it checks, in this order; the first thing that is wrong is named, with its place:
 *   1. the newest checkpoint is signed by a key that you trust, and some checkpoint is cosigned by each witness that you
 *      name (up to which entry is said: what came later, no witness has seen yet);
 *   2. every leaf hashes to what stands in its tile, every tile to the one above, and all of them to the root that was
 *      signed: each leaf is in the tree at its index, and nothing else is;
 *   3. every older checkpoint, and every one that you kept from before (--checkpoint), is the beginning of this tree;
 *   4. every body that is there is the one its leaf is bound to, and every one that is not was erased by an entry;
 *   5. the history that the leaves tell: a decision stands before its effect, nobody approved their own request, who
 *      approved was among those asked and there were enough of them, states only move forward, nothing ran twice or
 *      after its time, and every grant ended or is still within its time.
 *
 * What no log can tell by itself: that it is the only one, and the newest. Whoever holds the signing key can show you
 * another, or an old one. Against that: a witness elsewhere (--witness), or a checkpoint that you kept (--checkpoint).
 *
 * Exit status: 0 it holds, 1 something is wrong, 2 it could not be looked at.
 */
import * as crypto from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

// ---- RFC 6962, section 2.1: the tree -----------------------------------------------------------------------------

const HASH = 32
const WIDTH = 256
/** `crypto.hash` is three times as fast for short inputs; Node 20 has it from 20.12 on. */
const sha256 = crypto.hash
  ? (bytes) => crypto.hash('sha256', bytes, 'buffer')
  : (bytes) => crypto.createHash('sha256').update(bytes).digest()

const leafScratch = Buffer.alloc(1 + 65_535)
/** SHA-256(0x00 ‖ leaf) */
function leafHash(leaf) {
  leafScratch.set(leaf, 1)
  return sha256(leafScratch.subarray(0, 1 + leaf.length))
}

const nodeScratch = Buffer.alloc(1 + 2 * HASH, 1)
/** SHA-256(0x01 ‖ left ‖ right) */
function nodeHash(left, right) {
  nodeScratch.set(left, 1)
  nodeScratch.set(right, 1 + HASH)
  return sha256(nodeScratch)
}

/**
 * A tree that grows by one leaf at a time, like a binary counter: `peaks[l]` is the root over 2^l leaves where the size
 * has that bit. Every eighth level is one of tiles: `tiles[t]` gathers the hashes of its newest tile.
 */
class Tree {
  size = 0
  peaks = []
  tiles = []
  /** Called with each tile that has become full. */
  constructor(onTile) {
    this.onTile = onTile
  }

  push(leaf) {
    let [hash, level] = [leaf, 0]
    this.#toTile(0, hash)
    for (; this.peaks[level]; level++) {
      hash = nodeHash(this.peaks[level], hash)
      this.peaks[level] = undefined
      if ((level + 1) % 8 === 0) this.#toTile((level + 1) / 8, hash)
    }
    this.peaks[level] = hash
    this.size++
  }

  #toTile(level, hash) {
    this.tiles[level] ??= { index: 0, hashes: [] }
    const tile = this.tiles[level]
    tile.hashes.push(hash)
    if (tile.hashes.length < WIDTH) return
    this.onTile(level, tile.index, Buffer.concat(tile.hashes))
    this.tiles[level] = { index: tile.index + 1, hashes: [] }
  }

  root() {
    let root
    for (const peak of this.peaks) if (peak) root = root ? nodeHash(peak, root) : peak
    return root ?? sha256(Buffer.alloc(0))
  }
}

/** `x001/x234/067.p/17`: how tlog-tiles writes an index and a width. */
function numbered(index, width) {
  const digits = String(index)
  const parts = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.../g)
  const joined = parts.map((part, i) => (i === parts.length - 1 ? part : `x${part}`)).join('/')
  return width === WIDTH ? joined : `${joined}.p/${width}`
}
const bundlePath = (index, width) => `tile/entries/${numbered(index, width)}`
const tilePath = (level, index, width) => `tile/${level}/${numbered(index, width)}`

const bodiesPath = (index, width) => `bodies/${numbered(index, width)}`

/** The leaves of a bundle: each behind its length in two bytes. `broken` when it ends within one. */
function splitBundle(given) {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.length)
  const leaves = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 2 <= bytes.length ? at + 2 + bytes.readUInt16BE(at) : Infinity
    if (end > bytes.length) return { leaves, broken: true }
    leaves.push(bytes.subarray(at + 2, end))
    at = end
  }
  return { leaves, broken: false }
}

// ---- C2SP signed-note, tlog-checkpoint, tlog-cosignature ----------------------------------------------------------

/** Strict base64: one spelling for one value. */
function base64(text, length) {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text && (length === undefined || bytes.length === length) ? bytes : undefined
}

/** `name+0a1b2c3d+base64(algorithm ‖ Ed25519 key)`; algorithm 1 is a log's, 4 a witness's. */
function parseKey(text) {
  const [, name, id, material] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text.trim()) ?? []
  const bytes = material === undefined ? undefined : base64(material, 33)
  if (!bytes || (bytes[0] !== 1 && bytes[0] !== 4)) throw new Error(`not a verifier key: ${text}`)
  const computed = sha256(Buffer.concat([Buffer.from(`${name}\n`), bytes])).subarray(0, 4)
  if (computed.toString('hex') !== id) throw new Error(`the id of this verifier key does not belong to it: ${text}`)
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes.subarray(1)])
  return {
    text: text.trim(),
    name,
    id,
    witness: bytes[0] === 4,
    publicKey: crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' }),
  }
}

/** A checkpoint in its signed note. Undefined for what is none; no signature is looked at. */
function parseCheckpoint(note) {
  const end = note.lastIndexOf('\n\n')
  const text = note.slice(0, end + 1)
  const [, origin, size, root] = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([^\n]+)\n$/u.exec(text) ?? []
  const hash = root === undefined ? undefined : base64(root, HASH)
  if (end < 0 || !note.endsWith('\n') || !hash) return undefined
  const signatures = []
  for (const line of note.slice(end + 2, -1).split('\n')) {
    const [, name, encoded] = /^— (\S+) (\S+)$/u.exec(line) ?? []
    const bytes = encoded === undefined ? undefined : base64(encoded)
    if (!bytes || bytes.length < 5) return undefined
    signatures.push({ name, id: bytes.subarray(0, 4).toString('hex'), bytes: bytes.subarray(4) })
  }
  return { text, origin, size: Number(size), root: hash, signatures }
}

/** Which of `keys` signed it, with the time of a cosignature. `bad` is a key whose signature is there and wrong. */
function signersOf(checkpoint, keys) {
  const signers = []
  for (const { name, id, bytes } of checkpoint.signatures)
    for (const key of keys) {
      if (key.name !== name || key.id !== id) continue
      const cosigned = key.witness && bytes.length === 72
      const seconds = cosigned ? Number(bytes.readBigUInt64BE(0)) : undefined
      const message = cosigned ? `cosignature/v1\ntime ${seconds}\n${checkpoint.text}` : checkpoint.text
      const signature = cosigned ? bytes.subarray(8) : bytes
      if (key.witness !== cosigned || !crypto.verify(null, Buffer.from(message), key.publicKey, signature))
        return { signers, bad: key }
      signers.push({ key, ...(cosigned ? { at: seconds * 1000 } : {}) })
    }
  return { signers }
}

// ---- The history that the leaves tell ----------------------------------------------------------------------------

const SETTLED = new Set(['approved', 'denied', 'withdrawn', 'expired', 'voided'])
const DONE = new Set(['succeeded', 'failed', 'unknown'])
const MOVED = new Set(['provisioning', 'active', 'extended', 'ending', 'ended'])

/**
 * Whether people can be seated so that every place of every requirement is filled, each of them on one place
 * (a requirement that is not `distinct` counts people beside any other). Augmenting paths, over very few people.
 */
function enough(requirements, approvers) {
  const places = []
  for (const { count, distinct, eligible } of requirements) {
    const wanted = Math.max(1, count)
    if (distinct) for (let n = 0; n < wanted; n++) places.push({ eligible })
    else if (approvers.filter((one) => eligible.includes(one)).length < wanted) return false
  }
  const place = (person, tried) =>
    places.some((seat) => {
      if (tried.has(seat) || !seat.eligible.includes(person)) return false
      tried.add(seat)
      if (seat.taken !== undefined && !place(seat.taken, tried)) return false
      seat.taken = person
      return true
    })
  for (const person of approvers) place(person, new Set())
  return requirements.length > 0 && places.every((seat) => seat.taken !== undefined)
}

/** Follows requests, grants and sessions through the leaves. `see` says what is wrong with a leaf, or nothing. */
class History {
  requests = new Map()
  /** Approved requests for more time that moved no grant yet, by grant. */
  extensions = new Map()
  grants = new Map()
  sessions = new Map()
  erased = []
  keys = []
  counts = { approvals: 0, executions: 0 }
  last = 0

  see(index, leaf) {
    const { kind, facts, actor, at } = leaf
    if (at > this.last) this.last = at
    const [noun, verb] = kind.split('.')
    if (noun === 'request' && verb === 'opened') return this.#opened(index, facts, actor)
    if (noun === 'request' && SETTLED.has(verb)) return this.#settled(verb, facts)
    if (kind === 'review.given') return this.#reviewed(facts, actor, at)
    if (kind === 'request.escalated') return this.#escalated(facts)
    if (kind === 'request.handed_on') return this.#handedOn(facts, actor)
    if (noun === 'grant' && MOVED.has(verb)) return this.#grant(index, verb, facts, at)
    if (noun === 'role') return this.#role(verb, facts)
    if (noun === 'execution') return this.#execution(verb, facts, at)
    if (kind === 'session.opened') return this.#sessionOpened(index, facts)
    if (kind === 'session.closed') return this.#sessionClosed(facts)
    if (kind === 'segment.written' && !this.sessions.has(facts.session))
      return `statements of ${facts.session} before the decision that opened it`
    if (kind === 'revision.applied' && facts.request !== undefined) return this.#applied(facts)
    if (kind === 'body.erased') this.erased.push({ index, of: facts.index, commitment: facts.commitment })
    if (kind === 'key.rotated') this.keys.push({ index, keys: [facts.key, facts.previous].filter((key) => key) })
    return undefined
  }

  #opened(index, facts, actor) {
    const { request: id, digest, requester, sponsor, requirements, expiresAt, kind } = facts
    if (this.requests.has(id)) return `${id} was opened before`
    if (actor !== requester) return `${id} of ${requester} was opened by ${actor ?? 'nobody'}`
    const known = {
      index,
      state: 'pending',
      digest,
      requester,
      sponsor,
      requirements,
      expiresAt,
      kind,
      reviews: new Map(),
      standIns: [],
    }
    this.requests.set(id, known)
    return undefined
  }

  /** Nobody counts as reviewer of what is theirs; a sponsor only where the policy asked for exactly the sponsor. */
  #reviewed(facts, actor, at) {
    const { request: id, digest, verdict } = facts
    const request = this.requests.get(id)
    if (!request) return `a review of ${id}, which nobody opened`
    if (actor === request.requester) return `${actor} reviewed their own request ${id}`
    if (request.state !== 'pending') return `a review of ${id}, which was ${request.state}`
    if (digest !== request.digest) return `the review of ${id} by ${actor} is of another digest`
    if (at >= request.expiresAt) return `${actor} reviewed ${id} after its time was up`
    const place = facts.for ?? actor
    if (request.reviews.has(actor) || [...request.reviews.values()].some((one) => one.place === place))
      return `${actor} reviewed ${id} twice, or somebody did so in the same place`
    if (place !== actor && !request.standIns.some((one) => one.for === place && one.to === actor && at < one.until))
      return `${actor} reviewed ${id} for ${place}, who had not handed it on`
    const asked = request.requirements?.filter((one) => one.eligible.includes(place))
    if (asked?.length === 0) return `${actor} reviewed ${id} without being among those who were asked`
    if (actor === request.sponsor && asked && !asked.some(({ key }) => key.startsWith('sponsor:')))
      return `${actor} reviewed ${id}, a request of their own agent`
    request.reviews.set(actor, { verdict, place })
    return undefined
  }

  /** Others may answer, too: never who asks. */
  #escalated({ request: id, requirement, to }) {
    const request = this.requests.get(id)
    if (request?.state !== 'pending') return `${id} was escalated, and did not wait`
    if (to.includes(request.requester)) return `${id} was escalated to ${request.requester}, who asked`
    const asked = request.requirements?.find(({ key }) => key === requirement)
    if (request.requirements && !asked) return `${id} was escalated for ${requirement}, which it does not need`
    if (asked) asked.eligible = [...asked.eligible, ...to]
    return undefined
  }

  #handedOn({ request: id, for: person, to, until }, actor) {
    const request = this.requests.get(id)
    if (request?.state !== 'pending') return `${id} was handed on, and did not wait`
    if (actor !== person) return `${actor ?? 'nobody'} handed on the review of ${id} that was ${person}'s`
    if (to === request.requester) return `${id} was handed on to ${to}, who asked`
    request.standIns.push({ for: person, to, until })
    return undefined
  }

  #settled(state, facts) {
    const { request: id, digest, grant, by } = facts
    const request = this.requests.get(id)
    if (!request) return `${id} was ${state}, and nobody opened it`
    const may =
      request.state === 'pending' || (state === 'voided' && request.state === 'approved' && !request.execution)
    if (!may) return `${id} was ${state} after it was ${request.execution ?? request.state}`
    if (digest !== request.digest) return `${id} was ${state} under another digest`
    if (state === 'approved') {
      const reviews = [...request.reviews.values()]
      const approvers = reviews.filter(({ verdict }) => verdict === 'approve').map(({ place }) => place)
      if (by?.includes(request.requester)) return `${request.requester} approved their own request ${id}`
      const unseen = by?.find((who) => !request.reviews.has(who))
      if (unseen !== undefined) return `${id} was approved by ${unseen}, of whom there is no review`
      if (approvers.length === 0) return `${id} was approved by nobody`
      if (request.requirements && !enough(request.requirements, approvers))
        return `${id} was approved by ${approvers.join(', ')}: not all that the policy asked for`
      if ([...request.reviews.values()].some(({ verdict }) => verdict === 'deny'))
        return `${id} was approved after it was denied`
      this.counts.approvals++
      if (request.kind === 'extension') this.extensions.set(grant, request)
    }
    if (state === 'denied' && ![...request.reviews.values()].some(({ verdict }) => verdict === 'deny'))
      return `${id} was denied by nobody`
    Object.assign(request, { state, grant, reviews: undefined, requirements: undefined })
    return undefined
  }

  #grant(index, state, facts, at) {
    const { grant: id, request: of, digest, principal, startsAt, expiresAt } = facts
    const request = this.requests.get(of)
    const grant = this.grants.get(id)
    if (state === 'provisioning' || (state === 'active' && !grant)) {
      if (grant) return `${id} was made twice`
      if (request?.state !== 'approved' || request.grant !== id) return `${id} came before the approval of ${of}`
      if (digest !== request.digest) return `${id} is for another digest than ${of}`
      if (principal !== request.requester)
        return `${id} is for ${principal}, and ${of} was asked by ${request.requester}`
      if (!(startsAt <= expiresAt)) return `${id} has no end`
      this.grants.set(id, { index, state, expiresAt, at })
      return undefined
    }
    if (!grant) return `${id} was ${state}, and nothing made it`
    if (state === 'active' && grant.state !== 'provisioning') return `${id} was made active twice`
    if (grant.state === 'ended' || (grant.state === 'ending' && state !== 'ended'))
      return `${id} was ${state} after it was ${grant.state}`
    if (state === 'ended' && grant.role === 'made') return `${id} ended while its role was there`
    if (state === 'extended') {
      const approved = this.extensions.get(id)
      if (!approved) return `${id} was extended, and nobody approved that`
      this.extensions.delete(id)
      if (at >= grant.expiresAt) return `${id} was extended after its time was up`
      Object.assign(grant, { expiresAt })
    } else Object.assign(grant, { state, at })
    return undefined
  }

  /** A role on the target lives no longer than its grant, which has ended when the role was seen gone. */
  #role(verb, { grant: id, role }) {
    const grant = this.grants.get(id)
    if (id === undefined || verb === 'failed') return undefined
    const live = grant?.state === 'provisioning' || grant?.state === 'active'
    if (verb === 'made' && !live) return `${role} was made without a live grant`
    if ((verb === 'signed_in' || verb === 'given') && (!live || grant.role !== 'made'))
      return `${role} was used without a live grant`
    if (grant && (verb === 'made' || verb === 'gone')) grant.role = verb
    return undefined
  }

  /** One run of what was approved, while the grant lives, and only one. */
  #execution(state, facts, at) {
    const { request: id, digest } = facts
    const request = this.requests.get(id)
    if (state === 'started') {
      if (request?.state !== 'approved') return `${id} ran before it was approved`
      if (digest !== request.digest) return `what ran for ${id} is not what was approved`
      if (request.execution) return `${id} ran twice`
      const grant = this.grants.get(request.grant)
      if (grant?.state !== 'active') return `${id} ran without a live grant`
      if (at >= grant.expiresAt) return `${id} ran after its time was up`
      request.execution = 'started'
      this.counts.executions++
      return undefined
    }
    if (!DONE.has(state)) return undefined
    if (request?.execution !== 'started') return `${id} ${state}, and was not running`
    request.execution = state
    return undefined
  }

  #sessionOpened(index, { session }) {
    if (this.sessions.has(session)) return `${session} was opened twice`
    this.sessions.set(session, { index, state: 'open' })
    return undefined
  }

  #sessionClosed({ session: id }) {
    const session = this.sessions.get(id)
    if (session?.state !== 'open') return `${id} was closed ${session ? 'twice' : 'and never opened'}`
    session.state = 'closed'
    return undefined
  }

  #applied({ request: id, revision, approvedBy }) {
    const request = this.requests.get(id)
    if (request?.state !== 'approved') return `revision ${revision} came into force before ${id} was approved`
    if (approvedBy?.includes(request.requester)) return `${request.requester} approved their own request ${id}`
    return undefined
  }

  /** Grants that should have ended by `now` and of which nothing says that they did; `grace` for their removal. */
  *unended(now, grace) {
    for (const [id, grant] of this.grants) {
      if (grant.state === 'ended') continue
      const due = grant.state === 'ending' ? grant.at : grant.expiresAt
      if (now <= due + grace) continue
      const what = grant.state === 'ending' ? 'its end was ordered' : 'its time was up'
      yield { index: grant.index, message: `${id} has not ended: ${what} at ${time(due)}` }
    }
  }
}

const time = (ms) => (Number.isFinite(ms) ? new Date(ms).toISOString() : 'no time')

/** A leaf's JSON, in the one spelling it may have (RFC 8785); undefined for anything else. */
function parseLeaf(bytes) {
  try {
    const text = bytes.toString('utf8')
    const leaf = JSON.parse(text)
    const { v, kind, at, subject, facts, commitment } = leaf
    const formed =
      v === 1 &&
      typeof kind === 'string' &&
      Number.isSafeInteger(at) &&
      typeof subject === 'string' &&
      typeof facts === 'object' &&
      facts !== null &&
      typeof commitment === 'string' &&
      commitment.length === 44
    // A key that stands twice is gone from here, and so the text is another.
    return formed && JSON.stringify(leaf) === text ? leaf : undefined
  } catch {
    return undefined
  }
}

// ---- Putting it together -----------------------------------------------------------------------------------------

/** What is wrong first, and where: `index` of a leaf, `path` of a file, `size` of a checkpoint. */
export class Wrong extends Error {
  constructor(what, message, where = {}) {
    super(message)
    Object.assign(this, { what, ...where })
  }
}

/**
 * Verifies the ledger that `source` gives.
 * @param source `read(path)`: the bytes of a file of the layout above, or undefined.
 * @param options see `holdpoint-verify.d.mts`
 * @returns what was verified
 * @throws Wrong for the first thing that is wrong; errors of `source`
 */
export async function verifyLedger(source, options = {}) {
  const { tiles = true, grace = 60_000 } = options
  const given = (options.keys ?? []).map(parseKey)
  const offered = lines(await source.read('keys')).map(parseKey)
  const logKeys = (given.length > 0 ? given : offered).filter((key) => !key.witness)
  const witnesses = (options.witnesses ?? []).map(parseKey)

  const newest = parseCheckpoint(text(await source.read('checkpoint')) ?? '')
  if (!newest) throw new Wrong('checkpoint', 'there is no checkpoint, or it is malformed', { path: 'checkpoint' })
  const { signers, bad } = signersOf(newest, logKeys)
  if (bad)
    throw new Wrong('signature', `the signature of ${bad.name} under the newest checkpoint is wrong`, {
      path: 'checkpoint',
    })
  if (signers.length === 0)
    throw new Wrong('signature', 'the newest checkpoint is not signed by a key that you trust', { path: 'checkpoint' })

  const older = [
    ...lines(await source.read('checkpoints')).map((line) => noteIn(line)),
    ...(options.known ?? []).map((note) => ({
      ...(parseCheckpoint(note) ?? malformed('a checkpoint that you kept')),
      kept: true,
    })),
  ].sort((a, b) => a.size - b.size)
  for (const one of older) {
    if (one.origin !== newest.origin)
      throw new Wrong('checkpoint', `a checkpoint is of another log: ${one.origin}`, { size: one.size })
    if (one.size > newest.size)
      throw new Wrong(
        'consistency',
        `the log has ${newest.size} entries, and had ${one.size}: it was cut off, or is an old copy`,
        {
          size: one.size,
          index: newest.size,
        },
      )
  }

  const cosignedBy = witnesses.map((witness) => newestCosigned(witness, [...older, newest]))

  const seen = await walk(source, newest, older, logKeys, tiles)
  trustOlder(older, logKeys, seen.history.keys)
  await checkErasures(source, newest.size, seen)
  if (seen.wrong) throw seen.wrong
  const now = options.now ?? seen.history.last
  for (const { index, message } of seen.history.unended(now, grace)) throw new Wrong('not_ended', message, { index })

  const grants = [...seen.history.grants.values()]
  return {
    origin: newest.origin,
    size: newest.size,
    root: newest.root.toString('base64'),
    signedBy: signers.map(({ key }) => key.text),
    cosignedBy,
    keysGiven: given.length > 0,
    asOf: now,
    checkpoints: older.length + 1,
    tiles: seen.tiles,
    bodies: seen.bodies,
    erased: seen.history.erased.length,
    requests: seen.history.requests.size,
    approvals: seen.history.counts.approvals,
    executions: seen.history.counts.executions,
    sessions: seen.history.sessions.size,
    grants: {
      ended: grants.filter(({ state }) => state === 'ended').length,
      live: grants.filter(({ state }) => state !== 'ended').length,
    },
  }
}

/** The newest checkpoint that a witness cosigned. */
function newestCosigned(witness, checkpoints) {
  for (const one of checkpoints.toReversed()) {
    const { signers, bad } = signersOf(one, [witness])
    if (bad)
      throw new Wrong('cosignature', `the cosignature of ${witness.name} for size ${one.size} is wrong`, {
        size: one.size,
      })
    if (signers[0]) return { witness: witness.text, at: signers[0].at, size: one.size }
  }
  throw new Wrong('cosignature', `${witness.name} has cosigned no checkpoint of this log`, { path: 'checkpoint' })
}

const malformed = (what) => {
  throw new Wrong('checkpoint', `${what} is malformed`)
}
const text = (bytes) => bytes && Buffer.from(bytes).toString('utf8')
const lines = (bytes) => (text(bytes) ?? '').split('\n').filter((line) => line !== '')
function noteIn(line) {
  try {
    return parseCheckpoint(JSON.parse(line)) ?? malformed('an older checkpoint')
  } catch (error) {
    throw error instanceof Wrong
      ? error
      : new Wrong('checkpoint', 'an older checkpoint is malformed', { path: 'checkpoints' })
  }
}

/** Bundles that are fetched before they are needed. */
const AHEAD = 8

/** Reads every leaf once, from the first: builds the tree, compares it, and follows the history. */
async function walk(source, newest, older, keys, withTiles) {
  const history = new History()
  const found = { history, tiles: 0, bodies: 0, missing: [], wrong: undefined }
  const full = []
  const tree = new Tree((level, index, hashes) => full.push({ level, index, width: WIDTH, hashes }))
  // Of those that came with the log and of those that you kept: a second log agrees with its own.
  const agreed = { own: 0, kept: 0 }
  let next = 0
  const compareRoots = () => {
    for (; next < older.length && older[next].size === tree.size; next++) {
      const one = older[next]
      if (!tree.root().equals(one.root)) throw isSigned(one, keys) ? disagrees(one, agreed) : unsigned(one)
      agreed[one.kept ? 'kept' : 'own'] = one.size
    }
  }
  const bundles = readAhead(source, newest.size)
  compareRoots()
  for (let from = 0; from < newest.size; from += WIDTH) {
    const [index, width] = [from / WIDTH, Math.min(WIDTH, newest.size - from)]
    const { leaves, broken, tile, bodies } = await bundles.next(index, width, withTiles)
    const parsed = []
    for (const [i, bytes] of leaves.slice(0, width).entries()) {
      const hash = leafHash(bytes)
      const at = from + i
      if (tile && !hash.equals(tile.subarray(i * HASH, (i + 1) * HASH)))
        throw new Wrong('leaf_hash', `entry ${at}${saysItIs(bytes)} is not the one whose hash is in the tree`, {
          index: at,
          path: bundlePath(index, width),
        })
      tree.push(hash)
      compareRoots()
      parsed.push(bytes)
    }
    if (leaves.length !== width || broken)
      throw new Wrong(
        'missing',
        `${bundlePath(index, width)} does not hold ${width} entries: it is cut off or has too many`,
        {
          index: from + Math.min(leaves.length, width),
          path: bundlePath(index, width),
        },
      )
    for (const [i, bytes] of parsed.entries()) {
      const at = from + i
      const leaf = parseLeaf(bytes)
      if (!leaf) {
        found.wrong ??= new Wrong('leaf_form', `entry ${at} is not a leaf of Holdpoint`, { index: at })
        continue
      }
      if (bodies) checkBody(leaf, bodies[i], at, found)
      if (found.wrong) continue
      const message = history.see(at, leaf)
      if (message) found.wrong = new Wrong('history', `entry ${at}, ${leaf.kind}: ${message}`, { index: at })
    }
    if (withTiles) await compareTiles(source, full.splice(0), found)
  }
  if (!tree.root().equals(newest.root)) throw disagrees(newest, agreed)
  if (withTiles) {
    const open = tree.tiles.flatMap(({ index, hashes }, level) =>
      hashes.length === 0 ? [] : [{ level, index, width: hashes.length, hashes: Buffer.concat(hashes) }],
    )
    await compareTiles(source, open, found)
  }
  return found
}

function disagrees({ kept, size }, agreed) {
  const from = kept ? agreed.kept : agreed.own
  const where =
    from > 0 ? `up to ${from} they do, so it is among entries ${from} to ${size - 1}` : 'it is among the first of them'
  const signed = kept ? 'signed in the checkpoint that you kept' : 'signed'
  return new Wrong(
    kept ? 'consistency' : 'root',
    `the first ${size} entries do not have the root that was ${signed}: ${where}`,
    { index: from, size },
  )
}

function saysItIs(bytes) {
  const leaf = parseLeaf(bytes)
  return leaf ? ` (${leaf.kind} of ${leaf.subject})` : ''
}

function readAhead(source, size) {
  const reads = new Map()
  let withBodies = true
  const ask = (file) => {
    if (!reads.has(file)) {
      const read = source.read(file)
      // Looked at when its turn comes.
      read.catch(() => {})
      reads.set(file, read)
    }
    return reads.get(file)
  }
  const take = async (file) => {
    const bytes = await ask(file)
    reads.delete(file)
    return bytes
  }
  return {
    async next(index, width, withTiles) {
      for (let i = index; i < Math.min(index + AHEAD, Math.ceil(size / WIDTH)); i++) {
        const wide = Math.min(WIDTH, size - i * WIDTH)
        void ask(bundlePath(i, wide))
        if (withTiles) void ask(tilePath(0, i, wide))
      }
      const file = bundlePath(index, width)
      const bytes = await take(file)
      const first = index * WIDTH
      if (!bytes)
        throw new Wrong('missing', `entries ${first} to ${first + width - 1} are missing`, { index: first, path: file })
      const tile = withTiles ? await take(tilePath(0, index, width)) : undefined
      if (withTiles && tile?.length !== width * HASH)
        throw new Wrong('missing', `the hashes of entries ${first} to ${first + width - 1} are missing or cut off`, {
          index: first,
          path: tilePath(0, index, width),
        })
      // Who gives the first bodies gives all of them.
      const bodies = withBodies ? await source.read(bodiesPath(index, width)) : undefined
      if (index === 0) withBodies = bodies !== undefined
      if (withBodies && !bodies)
        throw new Wrong('body', `the bodies from entry ${first} on are missing`, {
          index: first,
          path: bodiesPath(index, width),
        })
      return { ...splitBundle(bytes), tile, bodies: bodies && parseBodies(bodies, first) }
    },
  }
}

async function compareTiles(source, tiles, found) {
  for (const { level, index, width, hashes } of tiles) {
    found.tiles++
    // Those of level 0 were compared leaf by leaf.
    if (level === 0) continue
    const file = tilePath(level, index, width)
    const stored = await source.read(file)
    if (!stored || !hashes.equals(stored)) {
      const first = index * WIDTH ** (level + 1)
      throw new Wrong('tile', `${file} is ${stored ? 'not what the entries below it hash to' : 'missing'}`, {
        path: file,
        index: first,
      })
    }
  }
}

// ---- Bodies --------------------------------------------------------------------------------------------------------

function parseBodies(bytes, first) {
  try {
    return lines(bytes).map((line) => JSON.parse(line))
  } catch {
    throw new Wrong('body', `the bodies from entry ${first} on are malformed`, { index: first })
  }
}

/** The commitment is SHA-256(salt ‖ canonical bytes of the entry), and the leaf says of it what it says itself. */
function checkBody(leaf, given, index, found) {
  if (given === undefined) return wrongBody(found, index, `the body of entry ${index} is missing`)
  if (given === null) return void found.missing.push({ index, commitment: leaf.commitment })
  const [salt, body] = [base64(String(given.salt), 16), base64(String(given.body))]
  if (!salt || !body || sha256(Buffer.concat([salt, body])).toString('base64') !== leaf.commitment)
    return wrongBody(
      found,
      index,
      `the body of entry ${index} (${leaf.kind} of ${leaf.subject}) is not the one it is bound to`,
    )
  found.bodies++
  const entry = JSON.parse(body.toString('utf8'))
  const same =
    ['kind', 'subject', 'actor', 'resource', 'at'].every((name) => entry[name] === leaf[name]) &&
    Object.entries(leaf.facts).every(
      ([name, value]) => name === 'omitted' || JSON.stringify(entry.body[name]) === JSON.stringify(value),
    )
  return same ? undefined : wrongBody(found, index, `the leaf of entry ${index} says something else than its body`)
}

function wrongBody(found, index, message) {
  found.wrong ??= new Wrong('body', message, { index })
}

/** A body that is not there was erased by an entry that says so; what an entry says was erased is what the leaf was bound to. */
async function checkErasures(source, size, { history, missing }) {
  const said = new Map(history.erased.map((one) => [one.of, one]))
  for (const { index, commitment } of missing)
    if (said.get(index)?.commitment !== commitment)
      throw new Wrong('body', `the body of entry ${index} is gone, and no entry says that it was erased`, { index })
  for (const { index, of, commitment } of history.erased) {
    const bundle = Math.floor(of / WIDTH)
    const bytes = of < index ? await source.read(bundlePath(bundle, Math.min(WIDTH, size - bundle * WIDTH))) : undefined
    const leaf = bytes && parseLeaf(splitBundle(bytes).leaves[of % WIDTH])
    if (leaf?.commitment !== commitment)
      throw new Wrong('body', `entry ${index} says that the body of entry ${of} was erased, and names another`, {
        index,
      })
  }
}

/**
 * Older checkpoints were signed by a key that you trust, or by one that the log itself says was used before or after:
 * under a checkpoint that is signed by a trusted key, what `key.rotated` says is signed, too.
 */
function trustOlder(older, trusted, rotations) {
  const keys = [...trusted]
  for (const { keys: named } of rotations)
    for (const one of named) if (!keys.some((key) => key.text === one)) keys.push(parseKey(one))
  for (const one of older) if (!isSigned(one, keys)) throw unsigned(one)
}

const isSigned = (checkpoint, keys) => {
  const { signers, bad } = signersOf(checkpoint, keys)
  return !bad && signers.length > 0
}
const unsigned = ({ size }) =>
  new Wrong('signature', `the checkpoint of size ${size} is not signed by a key of this log`, { size })

// ---- On the command line -------------------------------------------------------------------------------------------

/** A folder as a source. */
export const folder = (dir) => ({
  async read(file) {
    try {
      return await readFile(path.join(dir, file))
    } catch (error) {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw error
    }
  },
})

/** What was verified, for people. */
export function describe(report) {
  const n = (count, word) => `${count.toLocaleString('en')}${word ? ` ${word}${count === 1 ? '' : 's'}` : ''}`
  const { grants } = report
  return [
    `${report.origin}: ${n(report.size)} entries, root ${report.root}`,
    ...report.signedBy.map((key) => `  signed by    ${key}`),
    ...report.cosignedBy.map(
      ({ witness, at, size }) =>
        `  cosigned by  ${witness} at ${time(at)}${size < report.size ? `, up to entry ${n(size - 1)}: ${n(report.size - size)} later not seen by it yet` : ''}`,
    ),
    `  tree         ${n(report.tiles, 'tile')}, ${n(report.checkpoints, 'checkpoint')}, each the beginning of the next`,
    `  bodies       ${report.bodies + report.erased === 0 ? 'not in this copy' : `${n(report.bodies)} are what was recorded, ${n(report.erased)} erased`}`,
    `  history      ${n(report.requests, 'request')}, ${n(report.approvals)} approved, none by who asked; ${n(report.executions)} ran, each once and after its approval`,
    `  grants       ${n(grants.ended)} ended${grants.live > 0 ? `, ${n(grants.live)} within their time` : ''} (as of ${time(report.asOf)})`,
  ].join('\n')
}

const USAGE = `usage: node holdpoint-verify.mjs DIR [--key VKEY]... [--witness VKEY]... [--checkpoint FILE]... [--at TIME] [--json]`

async function main(args) {
  // A reader that went away (`| head`) ends it quietly.
  process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 2))
  const options = { keys: [], witnesses: [], known: [] }
  let [dir, json] = [undefined, false]
  for (let i = 0; i < args.length; i++) {
    const value = () => args[++i] ?? fail(`${args[i - 1]} needs a value`)
    if (args[i] === '--key') options.keys.push(...value().trim().split(/\s+/))
    else if (args[i] === '--witness') options.witnesses.push(...value().trim().split(/\s+/))
    else if (args[i] === '--checkpoint') options.known.push(await readFile(value(), 'utf8'))
    else if (args[i] === '--at') options.now = Date.parse(value())
    else if (args[i] === '--json') json = true
    else if (args[i].startsWith('-') || dir !== undefined) fail(`not understood: ${args[i]}`)
    else dir = args[i]
  }
  if (dir === undefined || Number.isNaN(options.now)) fail(dir === undefined ? 'which folder?' : '--at needs a time')
  const report = await verifyLedger(folder(dir), options)
  if (json) return print(JSON.stringify({ verified: true, ...report }))
  print(describe(report))
  if (!report.keysGiven)
    print('  beware       the key came with the log: compare it with what you were told, and give it with --key')
  print('verified')
}

const print = (line) => process.stdout.write(`${line}\n`)
function fail(message) {
  process.stderr.write(`error: ${message}\n${USAGE}\n`)
  process.exit(2)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  main(process.argv.slice(2)).catch((error) => {
    const wrong = error instanceof Wrong
    if (wrong && process.argv.includes('--json'))
      print(
        JSON.stringify({
          verified: false,
          what: error.what,
          message: error.message,
          index: error.index,
          path: error.path,
          size: error.size,
        }),
      )
    process.stderr.write(`${wrong ? 'WRONG' : 'error'}: ${error.message}\n`)
    process.exitCode = wrong ? 1 : 2
  })
