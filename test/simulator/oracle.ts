import { enough, needed } from './policy.ts'
import type { Variant } from './policy.ts'
import type { Recorded } from './memory/database.ts'
import { digestOf } from './session.ts'
import type { Seen } from './target.ts'

/** A process may see the database's time so much ahead of it. */
const AHEAD_MS = 200
/** What changed in force has ended by then what it would not give. */
const STALE_MS = 4_000

/** Something happened that must never happen. */
export interface Violation {
  readonly invariant: string
  readonly at: number
  readonly what: string
}

/** What the oracle may assume of a world: how late things may be in it. */
export interface Bounds {
  /** The longest that what was allowed may be on its way to the target, in ms. */
  readonly underway: number
  /** The longest that a commit which was confirmed may be on its way to it. */
  readonly committing: number
  /** The longest that what has ended may still stand on the target while nothing is broken. */
  readonly standing: number
}

interface Request {
  readonly id: string
  readonly digest: string
  readonly session: string | undefined
  readonly requester: string
  readonly sponsor: string | undefined
  readonly kind: string
  readonly verbs: readonly string[]
  readonly eligible: ReadonlySet<string>
  readonly opened: Recorded
  state: string
  reviews: readonly { readonly by: string; readonly verdict: string; readonly digest: string }[]
  grant?: string
  execution: string
  started: Recorded | undefined
}
interface Granted {
  readonly id: string
  readonly request: Request
  readonly principal: string
  readonly scope: string
  readonly session: string | undefined
  readonly verbs: readonly string[]
  readonly active: Recorded
  expiresAt: number
  state: string
  why?: string
  ending?: Recorded
}
interface Opened {
  readonly id: string
  readonly principal: string
  readonly expiresAt: number | undefined
  readonly opened: Recorded
  closed: boolean
}

const REQUEST_STEPS: ReadonlySet<string> = new Set([
  'pending approved',
  'pending denied',
  'pending withdrawn',
  'pending expired',
  'pending voided',
  'approved voided',
])
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const list = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : [])

/**
 * Judges a world by what its record and its target saw, and by nothing else: it knows no row of the store and asks no
 * code of the program but the digest's.
 */
export class Oracle {
  readonly violations: Violation[] = []
  readonly #bounds: Bounds
  readonly #now: () => number
  readonly #covered: (seq: number) => boolean
  readonly #requests = new Map<string, Request>()
  readonly #grants = new Map<string, Granted>()
  readonly #sessions = new Map<string, Opened>()
  readonly #revisions: {
    readonly variant: Variant
    readonly at: number
    readonly said: number
    readonly by: string
  }[] = []
  /** Each text, as the target saw it. */
  readonly #texts = new Map<string, { pid: number; session: string; how: string; request?: Request; grant?: Granted }>()
  readonly #backends = new Map<number, { readonly session: string; readonly used: Set<Granted>; alive: boolean }>()
  /** Sessions of which it cannot be told by which of several grants they ran something. */
  readonly #unsure = new Set<string>()
  /** How often each thing was seen: what was never seen was never tried. */
  readonly seen = new Map<string, number>()

  constructor(first: Variant, bounds: Bounds, now: () => number, covered: (seq: number) => boolean) {
    this.#bounds = bounds
    this.#now = now
    this.#covered = covered
    this.#revisions.push({ variant: first, at: Number.NEGATIVE_INFINITY, said: 0, by: '' })
  }

  /** Committed, in this order. */
  recorded(entries: readonly Recorded[]): void {
    for (const entry of entries) {
      this.#count(entry.kind)
      const [machine, step] = entry.kind.split('.')
      if (machine === 'request') this.#request(step ?? '', entry)
      else if (machine === 'review' && step === 'given') this.#review(entry)
      else if (machine === 'grant' && step !== 'words') this.#grant(step ?? '', entry)
      else if (machine === 'execution') this.#execution(step ?? '', entry)
      else if (machine === 'session') this.#session(step ?? '', entry)
      else if (entry.kind === 'revision.applied')
        this.#revisions.push({
          variant: entry.body['variant'] as Variant,
          at: entry.committedAt,
          said: entry.at,
          by: text(entry.actor),
        })
    }
  }

  /** The target saw it. */
  saw(seen: Seen): void {
    this.#count(`target ${seen.kind}`)
    switch (seen.kind) {
      case 'connected':
        return this.#connected(seen)
      case 'gone': {
        const backend = this.#backends.get(seen.pid)
        if (backend !== undefined) backend.alive = false
        return undefined
      }
      case 'run':
        return this.#ran(seen)
      case 'done':
      case 'undone': {
        const one = this.#texts.get(seen.text)
        if (one === undefined) return undefined
        one.how = seen.kind
        const grant = one.request && this.#grants.get(one.request.grant ?? '')
        const ended = grant?.why === 'completed' ? undefined : grant?.ending?.committedAt
        if (seen.kind === 'done' && seen.asked && ended !== undefined && seen.at - ended > this.#bounds.committing)
          this.#violate('I1', `${seen.text} was committed ${seen.at - ended} ms after the end of ${grant?.id}`)
        return undefined
      }
      default:
        return seen satisfies never
    }
  }

  /** Once in a while. @param healthySince nothing has been broken since. */
  look(healthySince: number): void {
    const now = this.#now()
    for (const [pid, { session, used, alive }] of this.#backends) {
      if (!alive) continue
      for (const grant of used) {
        // What is over by itself leaves its session as it is.
        if (grant.why === 'completed') continue
        const since = Math.min(grant.ending?.committedAt ?? Number.POSITIVE_INFINITY, grant.expiresAt)
        if (now - Math.max(since, healthySince) > this.#bounds.standing)
          this.#violate(
            'I1',
            `backend ${pid} of ${session} still stands ${now - since} ms after the end of ${grant.id}`,
          )
      }
      const until = this.#sessions.get(session)?.expiresAt
      if (until !== undefined && now - Math.max(until, healthySince) > this.#bounds.standing)
        this.#violate('I1', `backend ${pid} outlives the time of ${session}`)
    }
  }

  /** Windows that what is in force would not give any more. @param healthySince as in `look`. */
  lookAtWindows(healthySince: number): void {
    const now = this.#now()
    const [latest] = this.#revisions.slice(-1)
    if (latest === undefined || now - Math.max(latest.at, healthySince) < STALE_MS) return
    for (const { id, state, scope, request } of this.#grants.values()) {
      if (state !== 'active' || scope === 'once' || request.kind === 'connect') continue
      const people = [
        ...approvers(request),
        ...this.#windowsOf(request.requester, request.verbs, request.session, request.opened.committedAt),
      ]
      const may = request.verbs.every((verb) => {
        const places = needed(latest.variant, verb, request.requester)
        return places !== undefined && enough(places, people)
      })
      if (!may) this.#violate('I8', `${id} lives on under ${latest.variant}`)
    }
  }

  /** Nothing happens any more, and nothing may be left. */
  over(): void {
    for (const { id, state, execution } of this.#requests.values()) {
      if (state === 'pending') this.#violate('I6', `${id} is still pending`)
      if (execution === 'started') this.#violate('I5', `nobody knows what became of ${id}`)
    }
    for (const { id, state } of this.#grants.values())
      if (state !== 'ended') this.#violate('I1', `${id} is still ${state}`)
    for (const { id, closed } of this.#sessions.values()) if (!closed) this.#violate('I1', `${id} is still open`)
    for (const [pid, { session, alive }] of this.#backends)
      if (alive) this.#violate('I1', `backend ${pid} of ${session} is still there`)
    for (const [what, { how, request }] of this.#texts) {
      if (request === undefined) continue
      if (request.execution === 'succeeded' && how !== 'done')
        this.#violate('I5', `${request.id} is said to have succeeded, and ${what} was ${how}`)
      if (request.execution === 'failed' && how === 'done')
        this.#violate('I5', `${request.id} is said to have failed, and ${what} was done`)
      if (request.execution === 'ready') this.#violate('I4', `${what} ran, and ${request.id} never started`)
    }
  }

  #request(step: string, entry: Recorded): void {
    const { body } = entry
    const id = text(body['request'])
    const known = this.#requests.get(id)
    if (step === 'opened') {
      if (known !== undefined) this.#violate('I6', `${id} was opened twice`)
      if (this.#sessions.get(text(body['session']))?.closed === true)
        this.#violate('I6', `${id} was opened for a session that is closed`)
      const requirements = body['requirements'] as readonly { readonly eligible: readonly string[] }[]
      this.#requests.set(id, {
        id,
        digest: text(body['digest']),
        session: body['session'] as string | undefined,
        requester: text(body['requester']),
        sponsor: body['sponsor'] as string | undefined,
        kind: text(body['kind']),
        verbs: list(body['verbs']),
        eligible: new Set(requirements.flatMap((one) => one.eligible)),
        opened: entry,
        state: 'pending',
        reviews: [],
        execution: 'ready',
        started: undefined,
      })
      return
    }
    if (known === undefined) return this.#violate('I6', `${id} became ${step} and was never opened`)
    if (!REQUEST_STEPS.has(`${known.state} ${step}`)) this.#violate('I6', `${id} went from ${known.state} to ${step}`)
    if (step === 'voided' && known.started !== undefined) this.#violate('I6', `${id} was voided after its start`)
    known.state = step
    if (step === 'approved') {
      known.grant = text(body['grant'])
      this.#judgeApproval(known, entry)
    }
  }

  #review(entry: Recorded): void {
    const { body } = entry
    const request = this.#requests.get(text(body['request']))
    if (request === undefined) return this.#violate('I3', `a review of nothing: ${text(body['request'])}`)
    const by = text(entry.actor)
    const review = { by, verdict: text(body['verdict']), digest: text(body['digest']) }
    if (by === request.requester) this.#violate('I3', `${by} reviewed ${request.id}, which is their own`)
    if (!request.eligible.has(by)) this.#violate('I3', `${by} reviewed ${request.id} and was not asked`)
    if (review.digest !== request.digest) this.#violate('I2', `${by} reviewed something else than ${request.id}`)
    if (request.state !== 'pending') this.#violate('I6', `${request.id} was reviewed when it was ${request.state}`)
    if (request.reviews.some((one) => one.by === by)) this.#violate('I3', `${by} counts twice in ${request.id}`)
    request.reviews = [...request.reviews, review]
  }

  /** Enough different people, of those whom a rule in force at the time asks, who changed nothing meanwhile. */
  #judgeApproval(request: Request, entry: Recorded): void {
    if (request.reviews.some((one) => one.verdict === 'deny'))
      this.#violate('I3', `${request.id} was denied and approved`)
    const meddlers = new Set(
      this.#revisions.filter((one) => one.said >= request.opened.at && one.at < entry.began).map((one) => one.by),
    )
    const who = approvers(request).filter((one) => !meddlers.has(one))
    const people = [
      ...who,
      ...this.#windowsOf(request.requester, request.verbs, request.session, request.opened.committedAt),
    ]
    if (!this.#mayOnce(request, people, request.opened.began, entry.committedAt))
      this.#violate('I3', `${request.id} was approved by ${who.join(', ') || 'nobody'} who counts`)
  }
  /** Whether these people are enough for every verb of it, by some rule that was in force in the time. */
  #mayOnce(request: Request, people: readonly string[], from: number, to: number): boolean {
    return this.#inForce(from, to).some((variant) =>
      request.verbs.every((verb) => {
        const places = needed(variant, verb, request.requester)
        return places !== undefined && enough(places, people)
      }),
    )
  }
  #inForce(from: number, to: number): readonly Variant[] {
    return this.#revisions.flatMap((one, i) => {
      const next = this.#revisions[i + 1]?.at ?? Number.POSITIVE_INFINITY
      return one.at <= to && next >= from ? [one.variant] : []
    })
  }
  /** Who agreed to what this person may do for a time, and did at that moment. */
  #windowsOf(principal: string, verbs: readonly string[], session: string | undefined, at: number): readonly string[] {
    return [...this.#grants.values()]
      .filter(
        (one) =>
          one.principal === principal &&
          (one.scope === 'window' || (one.scope === 'session' && one.session === session)) &&
          verbs.every((verb) => one.verbs.includes(verb)) &&
          this.#livedAt(one, at),
      )
      .flatMap((one) => approvers(one.request))
  }
  #livedAt(grant: Granted, at: number): boolean {
    const end = Math.min(grant.expiresAt, grant.ending?.committedAt ?? Number.POSITIVE_INFINITY)
    return grant.active.committedAt <= at && at <= end + this.#bounds.underway
  }

  #grant(step: string, entry: Recorded): void {
    const { body } = entry
    const id = text(body['grant'])
    const known = this.#grants.get(id)
    const request = this.#requests.get(text(body['request']))
    if (step === 'active') {
      if (known !== undefined) this.#violate('I6', `${id} was made twice`)
      if (request?.state !== 'approved') return this.#violate('I6', `${id} was made without an approval`)
      this.#grants.set(id, {
        id,
        request,
        principal: text(body['principal']),
        scope: text(body['scope']),
        session: body['session'] as string | undefined,
        verbs: list(body['verbs']),
        active: entry,
        expiresAt: Number(body['expiresAt']),
        state: 'active',
      })
      return
    }
    if (known === undefined) return this.#violate('I6', `${id} became ${step} and was never made`)
    const from = { extended: 'active', ending: 'active', ended: 'ending' }[step]
    if (known.state !== from) this.#violate('I6', `${id} went from ${known.state} to ${step}`)
    if (step === 'extended') {
      if (Number(body['expiresAt']) < known.expiresAt) this.#violate('I6', `${id} became shorter`)
      known.expiresAt = Number(body['expiresAt'])
      return
    }
    known.state = step
    known.why = text(body['why'])
    if (step === 'ending') known.ending = entry
    // INVARIANT of `ended`: nothing of it is left on the target.
    if (step === 'ended' && known.why !== 'completed')
      for (const [pid, { used, alive }] of this.#backends)
        if (alive && used.has(known)) this.#violate('I1', `${id} has ended, and backend ${pid} still stands`)
  }

  #execution(step: string, entry: Recorded): void {
    const request = this.#requests.get(text(entry.body['request']))
    if (request === undefined) return this.#violate('I6', 'an execution of nothing')
    const from = step === 'started' ? 'ready' : 'started'
    if (request.execution !== from) this.#violate('I5', `${request.id} went from ${request.execution} to ${step}`)
    request.execution = step
    if (step !== 'started') return
    request.started = entry
    if (request.state !== 'approved') this.#violate('I6', `${request.id} started when it was ${request.state}`)
    const grant = this.#grants.get(request.grant ?? '')
    if (grant?.state !== 'active') this.#violate('I6', `${request.id} started when ${grant?.id} was ${grant?.state}`)
    if (grant !== undefined && entry.at >= grant.expiresAt) this.#violate('I1', `${request.id} started after its time`)
    const people = [
      ...approvers(request),
      ...this.#windowsOf(request.requester, request.verbs, request.session, request.opened.committedAt),
    ]
    if (!this.#mayOnce(request, people, entry.began, entry.committedAt))
      this.#violate('I8', `${request.id} started, and what is in force asks for somebody else`)
  }

  #session(step: string, entry: Recorded): void {
    const id = text(entry.body['session'])
    if (step === 'opened') {
      const expiresAt = entry.body['expiresAt'] as number | undefined
      this.#sessions.set(id, { id, principal: text(entry.body['principal']), expiresAt, opened: entry, closed: false })
    } else if (step === 'closed') {
      const known = this.#sessions.get(id)
      if (known === undefined || known.closed) return this.#violate('I6', `${id} was closed twice`)
      known.closed = true
      for (const one of this.#requests.values())
        if (one.session === id && (one.state === 'pending' || one.execution === 'started'))
          this.#violate('I6', `${id} was closed, and ${one.id} is left as it was`)
      for (const one of this.#grants.values())
        if (one.session === id && one.state === 'active')
          this.#violate('I1', `${id} was closed, and ${one.id} lives on`)
      if (entry.body['why'] === 'expired') this.#judgeExpired(known, entry)
    }
  }

  /** Nothing ends before its time. */
  #judgeExpired(session: Opened, entry: Recorded): void {
    const now = entry.committedAt
    const used = [...this.#backends.values()]
      .filter((one) => one.session === session.id)
      .flatMap(({ used }) => [...used])
    const own = session.expiresAt !== undefined && session.expiresAt <= now + AHEAD_MS
    const held = [...this.#grants.values()].some((one) => one.session === session.id && one.request.kind === 'connect')
    // What was entered and then not used is not recorded.
    const entered = [...this.#grants.values()].filter(
      (one) => one.principal === session.principal && (one.scope === 'window' || one.request.started !== undefined),
    )
    // A process that slept does not know yet what was done meanwhile.
    const unknown = ({ why, ending }: Granted): boolean =>
      why !== 'completed' || (ending !== undefined && now - ending.committedAt <= this.#bounds.committing)
    const over = [...used, ...entered].some((one) => unknown(one) && one.expiresAt <= now + AHEAD_MS)
    if (!own && !held && !over && !this.#unsure.has(session.id))
      this.#violate('I1', `${session.id} was ended before its time`)
  }

  #connected({ pid, session }: Extract<Seen, { kind: 'connected' | 'gone' }>): void {
    const opened = this.#sessions.get(session)
    this.#backends.set(pid, { session, used: new Set(), alive: true })
    if (opened === undefined) return this.#violate('I4', `a connection for ${session}, which is not recorded`)
    if (!this.#covered(opened.opened.seq)) this.#connectUnsigned(opened)
  }
  /** A session that was held is covered by what let it in. */
  #connectUnsigned(opened: Opened): void {
    const asked = [...this.#requests.values()].find((one) => one.kind === 'connect' && one.session === opened.id)
    if (asked?.started === undefined || !this.#covered(asked.started.seq))
      this.#violate('I4', `a connection for ${opened.id} before a checkpoint covers it`)
  }

  #ran({ text: what, pid, session, at }: Extract<Seen, { kind: 'run' | 'done' | 'undone' }>): void {
    const before = this.#texts.get(what)
    if (before !== undefined) this.#violate('I5', `${what} ran twice`)
    const one = { pid, session, how: 'running' } as NonNullable<typeof before>
    this.#texts.set(what, one)
    const opened = this.#sessions.get(session)
    if (opened === undefined) return
    const verb = what.split(' ')[0] ?? ''
    if (verb === 'read') return
    if (verb === 'export') return this.#violate('I6', `${what} is denied and ran`)
    const digest = digestOf(opened.principal, what)
    const own = [...this.#requests.values()].find((r) => r.digest === digest && r.started !== undefined)
    if (own !== undefined) {
      one.request = own
      this.#count('run under its own request')
      if (own.session !== session) this.#violate('I2', `${what} was approved for ${own.session} and ran in ${session}`)
      const grant = this.#grants.get(own.grant ?? '')
      if (own.started === undefined || !this.#covered(own.started.seq))
        this.#violate('I4', `${what} ran before a checkpoint covers its start`)
      if (grant === undefined) return
      this.#use(pid, grant)
      this.#inTime(what, grant, at)
      return
    }
    const from = at - 2_500 - this.#bounds.underway
    const live = [...this.#grants.values()].filter(
      (g) =>
        g.principal === opened.principal &&
        (g.scope === 'window' || (g.scope === 'session' && g.session === session)) &&
        g.verbs.includes(verb) &&
        this.#livedAt(g, at),
    )
    const people = live.flatMap((g) => approvers(g.request))
    const may = this.#inForce(from, at).some((variant) => {
      const places = needed(variant, verb, opened.principal)
      return places !== undefined && enough(places, people)
    })
    if (!may) return this.#violate('I2', `${what} ran in ${session} and nobody agreed to it`)
    this.#count('run under a window')
    // Which of several stood for it is not known: where there is one, it is that one.
    const [only, ...more] = live
    if (more.length > 0) this.#unsure.add(session)
    if (only !== undefined && more.length === 0) {
      if (!this.#covered(only.active.seq)) this.#violate('I4', `${what} ran before a checkpoint covers ${only.id}`)
      this.#use(pid, only)
      this.#inTime(what, only, at)
    }
  }
  #inTime(what: string, grant: Granted, at: number): void {
    const late = at - grant.expiresAt
    if (late > this.#bounds.underway) this.#violate('I1', `${what} began ${late} ms after the time of ${grant.id}`)
    const ended = grant.ending?.committedAt
    if (ended !== undefined && at - ended > this.#bounds.underway)
      this.#violate('I1', `${what} began ${at - ended} ms after the end of ${grant.id}`)
  }
  #use(pid: number, grant: Granted): void {
    this.#backends.get(pid)?.used.add(grant)
  }

  #count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }
  #violate(invariant: string, what: string): void {
    this.violations.push({ invariant, at: this.#now(), what })
  }
}

const approvers = ({ reviews }: Pick<Request, 'reviews'>): readonly string[] =>
  reviews.filter((one) => one.verdict === 'approve').map((one) => one.by)
