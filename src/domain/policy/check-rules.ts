import type { Principal } from '../principal.ts'
import { CLASSIFICATIONS } from '../profile/profile.ts'
import type { Report } from './check-set.ts'
import { ofKind, type Document, type DocumentOf } from './documents.ts'
import { compileExpression } from './expression.ts'
import { changesRows } from './row-cap.ts'
import { readEscalation, readSource, type ReviewSource } from './rule.ts'
import { readSettings, type Settings } from './settings.ts'
import { formatDuration, parseDuration } from '../time.ts'
import type { Millis } from '../time.ts'
import type { ResourceBody, RuleBody } from './schema.ts'

interface Known {
  readonly resources: ReadonlyMap<string, ResourceBody>
  /** One body for each combination of what rules look at: they are compared with these, not with every resource. */
  readonly classes: readonly ResourceBody[]
  readonly layers: ReadonlySet<string>
  readonly teams: ReadonlyMap<string, readonly string[]>
  readonly rules: ReadonlyMap<string, RuleBody>
  readonly accounts: ReadonlyMap<string, Principal> | undefined
}
type Rule = DocumentOf<'Rule'>

/** What can be said about rules without deciding anything. */
export function checkRules(
  documents: readonly Document[],
  people: readonly Principal[] | undefined,
  report: Report,
): void {
  const bodies = ofKind(documents, 'Resource').map(({ body }) => body)
  const known: Known = {
    resources: new Map(bodies.map((body) => [body.name, body])),
    classes: distinct(bodies),
    layers: new Set(bodies.flatMap((body) => body.owners?.map((owner) => owner.layer) ?? [])),
    teams: new Map(ofKind(documents, 'Team').map(({ name, body }) => [name, body.members])),
    rules: new Map(ofKind(documents, 'Rule').map(({ name, body }) => [name, body])),
    accounts: people === undefined ? undefined : new Map(people.map((person) => [person.id as string, person])),
  }
  const [own] = ofKind(documents, 'Settings')
  const settings = readSettings(own?.body)
  if (own !== undefined) checkUsualEscalation(own, settings, known, report)
  for (const rule of ofKind(documents, 'Rule')) {
    checkNamesIn(rule, known, report)
    checkReach(rule, known, report)
    checkWhen(rule, report)
    checkReviews(rule, known, report)
    checkEscalation(rule, settings.timeout, known, report)
    checkAllow(rule, known, report)
    checkRows(rule, report)
  }
}

/** A number of rows that no action of the rule could ever come to looks like protection and is none. */
function checkRows(rule: Rule, report: Report): void {
  const { on, hold, allow } = rule.body
  const verbs = listed(on?.verbs)
  if (hold?.rowCap !== undefined && verbs !== undefined && !verbs.some(changesRows))
    report('warning', 'row_cap_on_reads', `Rule ${rule.name} caps rows, and none of its verbs changes any.`, rule)
  if (allow?.rowsAtMost !== undefined && verbs?.every((verb) => verb === 'connect') === true)
    report('warning', 'rows_of_connect', `Rule ${rule.name} bounds rows, and connect returns none.`, rule)
}

const listed = <T>(value: T | readonly T[] | undefined): readonly T[] | undefined =>
  value === undefined ? undefined : ([value].flat() as readonly T[])

function checkNamesIn(rule: Rule, known: Known, report: Report): void {
  const { on } = rule.body
  for (const resource of listed(on?.resource) ?? []) {
    if (!known.resources.has(resource))
      report(
        'error',
        'unknown_resource',
        `Rule ${rule.name} is about ${resource}, and there is no such resource.`,
        rule,
      )
  }
  for (const team of listed(on?.team) ?? []) {
    if (!known.teams.has(team))
      report('error', 'unknown_team', `Rule ${rule.name} is about members of ${team}, and there is no such team.`, rule)
  }
}

function distinct(resources: readonly ResourceBody[]): readonly ResourceBody[] {
  const found = new Map(
    resources.map((body) => [
      JSON.stringify([body.env, effective(body), body.criticality, body.compliance, body.owners]),
      body,
    ]),
  )
  return [...found.values()]
}

const effective = (body: ResourceBody): string =>
  body.owners === undefined || body.owners.length === 0 ? 'restricted' : (body.classification ?? 'restricted')

function fits(on: RuleBody['on'], body: ResourceBody): boolean {
  const has = (wanted: readonly string[] | undefined, saw: readonly (string | undefined)[]): boolean =>
    wanted === undefined || saw.some((value) => value !== undefined && wanted.includes(value))
  return (
    has(listed(on?.env), [body.env]) &&
    has(listed(on?.classification), [effective(body)]) &&
    has(listed(on?.criticality), [body.criticality]) &&
    has(listed(on?.compliance), body.compliance ?? [])
  )
}

function checkReach(rule: Rule, known: Known, report: Report): void {
  const named = listed(rule.body.on?.resource)?.flatMap((name) => known.resources.get(name) ?? [])
  const reachable = named ?? known.classes
  if (reachable.length > 0 && !reachable.some((body) => fits(rule.body.on, body))) {
    report('warning', 'never_matches', `Rule ${rule.name} can never match: no resource is what its on: asks for.`, rule)
  }
}

function checkWhen(rule: Rule, report: Report): void {
  if (rule.body.when === undefined) return
  const compiled = compileExpression(rule.body.when)
  if (!compiled.ok) return
  const { reads, text } = compiled.expression
  if (reads.size === 0)
    report(
      'warning',
      'constant',
      `The expression of rule ${rule.name} reads nothing, so it is always the same${/\bfalse\b/.test(text) ? ', and may never match' : ''}.`,
      rule,
    )
  const verbs = listed(rule.body.on?.verbs)
  const planned = verbs !== undefined && !verbs.includes('connect')
  if (
    [...reads].some((path) => path.startsWith('action.estimate')) &&
    !planned &&
    !text.includes('has(action.estimate')
  ) {
    report(
      'warning',
      'estimate_unknown',
      `Rule ${rule.name} reads action.estimate, which connect never has. Name the verbs in on:, or ask has(action.estimate) first.`,
      rule,
    )
  }
}

function checkReviews(rule: Rule, known: Known, report: Report): void {
  const { hold, on } = rule.body
  if (hold === undefined) return
  for (const review of hold.reviews) {
    const source = readSource(review.from)
    const count = review.count ?? 1
    checkSource(rule, source, known, report)
    for (const { pool, members } of poolsOf(source, on, known)) checkQuorum(rule, pool, members, count, known, report)
  }
  const alone = hold.reviews.every((review) => review.from === 'sponsor')
  if (alone && (listed(on?.classification)?.includes('restricted') ?? false)) {
    report(
      'warning',
      'sponsor_alone',
      `Rule ${rule.name} lets a sponsor alone approve what their agent does on restricted resources.`,
      rule,
    )
  }
}

/** The same of the settings, for holds that do not say. A hold with a shorter time of its own is its own matter. */
function checkUsualEscalation(own: Document, { timeout, escalate }: Settings, known: Known, report: Report): void {
  for (const { after, source } of escalate) {
    if (after >= timeout)
      report(
        'error',
        'never_in_time',
        `Settings escalate after ${formatDuration(after)}, and requests end after ${formatDuration(timeout)}.`,
        own,
      )
    if (source.kind === 'team' && !known.teams.has(source.team))
      report('error', 'unknown_team', `Settings escalate to team ${source.team}, and there is no such team.`, own)
  }
}

/** What comes after the end never comes. */
function checkEscalation(rule: Rule, usual: Millis, known: Known, report: Report): void {
  const { hold } = rule.body
  if (hold === undefined) return
  const timeout = (hold.timeout === undefined ? undefined : parseDuration(hold.timeout)) ?? usual
  const late = (what: string): void =>
    report(
      'error',
      'never_in_time',
      `Rule ${rule.name} ${what}, and its requests end after ${formatDuration(timeout)}.`,
      rule,
    )
  if (hold.nudge !== undefined && (parseDuration(hold.nudge) ?? 0) >= timeout) late(`reminds after ${hold.nudge}`)
  for (const { after, source } of hold.escalate === undefined ? [] : readEscalation(hold.escalate)) {
    if (after >= timeout) late(`escalates after ${formatDuration(after)}`)
    checkSource(rule, source, known, report)
  }
}

function checkSource(rule: Rule, source: ReviewSource, known: Known, report: Report): void {
  if (source.kind === 'team' && !known.teams.has(source.team))
    report('error', 'unknown_team', `Rule ${rule.name} asks team ${source.team}, and there is no such team.`, rule)
  if (source.kind === 'user' && known.accounts !== undefined && !known.accounts.has(source.user)) {
    report(
      'warning',
      'no_account',
      `Rule ${rule.name} asks ${source.user}, who has no account: the security team is asked instead.`,
      rule,
    )
  }
  if (source.kind === 'owners' && source.layer !== undefined) {
    const layer = source.layer
    if (!known.layers.has(layer)) {
      report(
        'warning',
        'unknown_layer',
        `Rule ${rule.name} asks the layer ${layer}, and no resource has one: the security team is asked instead.`,
        rule,
      )
    }
  }
}

/** The pools that a source may come to on the resources which the rule is about. */
function poolsOf(
  source: ReviewSource,
  on: RuleBody['on'],
  known: Known,
): readonly { readonly pool: string; readonly members: readonly string[] }[] {
  switch (source.kind) {
    case 'sponsor':
      return [{ pool: 'sponsor', members: ['the sponsor'] }]
    case 'user':
      return [{ pool: `user ${source.user}`, members: [source.user] }]
    case 'team': {
      const members = known.teams.get(source.team)
      return members === undefined ? [] : [{ pool: `team ${source.team}`, members }]
    }
    case 'owners': {
      const names = listed(on?.resource)
      const bodies = (names?.flatMap((name) => known.resources.get(name) ?? []) ?? known.classes).filter((body) =>
        fits(on, body),
      )
      const teams = new Set(bodies.flatMap((body) => asked(body, source.layer, listed(on?.verbs))))
      return [...teams].flatMap((team) => {
        const members = known.teams.get(team)
        return members === undefined ? [] : [{ pool: `team ${team}, an owner,`, members }]
      })
    }
    default:
      return source satisfies never
  }
}

/** Teams of the layers that may have to answer for any of `verbs`. */
function asked(body: ResourceBody, layer: string | undefined, verbs: readonly string[] | undefined): readonly string[] {
  const owners = body.owners ?? []
  if (layer !== undefined) return owners.filter((owner) => owner.layer === layer).map((owner) => owner.team)
  const deciding = owners.filter(
    (owner, index) =>
      verbs === undefined ||
      owner.decides.some((verb) => verbs.includes(verb)) ||
      (index === 0 &&
        verbs.some((verb) => !owners.some((other) => (other.decides as readonly string[]).includes(verb)))),
  )
  return deciding.map((owner) => owner.team)
}

function checkQuorum(
  rule: Rule,
  pool: string,
  members: readonly string[],
  count: number,
  known: Known,
  report: Report,
): void {
  const say = `Rule ${rule.name} asks ${count} of ${pool}`
  if (count > members.length) {
    report(
      'error',
      'quorum_too_large',
      `${say} which has ${members.length === 0 ? 'nobody' : `only ${members.length}`}.`,
      rule,
    )
    return
  }
  if (count > 1 && count === members.length) {
    report(
      'warning',
      'quorum_needs_everyone',
      `${say}, which is everyone: what one of them asks for can never be approved.`,
      rule,
    )
  }
  if (known.accounts === undefined || pool === 'sponsor' || pool.startsWith('user ')) return
  const able = members.filter((member) => {
    const account = known.accounts?.get(member)
    return account !== undefined && !account.disabled && account.kind === 'user'
  })
  if (able.length < count)
    report(
      'warning',
      'quorum_without_accounts',
      `${say}, of whom ${able.length === 0 ? 'nobody has' : `only ${able.length} has`} an account that can review.`,
      rule,
    )
}

const READING = new Set(['connect', 'read'])

/** `when: "true"` says nothing: only an expression that looks at something can. */
function saysWhen(when: string | undefined): boolean {
  const compiled = when === undefined ? undefined : compileExpression(when)
  return compiled?.ok === true && compiled.expression.reads.size > 0
}

/** All of them together are as good as none. */
const narrows = (classification: string | readonly string[] | undefined): boolean =>
  classification !== undefined && new Set([classification].flat()).size < CLASSIFICATIONS.length

function checkAllow(rule: Rule, known: Known, report: Report): void {
  const { allow, on, when } = rule.body
  if (allow === undefined) return
  for (const name of allow.waives ?? []) {
    const other = known.rules.get(name)
    if (other === undefined)
      report('error', 'unknown_rule', `Rule ${rule.name} waives ${name}, and there is no such rule.`, rule)
    else if (other.hold === undefined)
      report(
        'error',
        'cannot_waive',
        `Rule ${rule.name} waives ${name}, which is no hold. A deny is never waived.`,
        rule,
      )
  }
  const env = listed(on?.env)
  const reachesProd = env === undefined || env.some((one) => /^prod/i.test(one))
  if (!reachesProd || saysWhen(when) || on?.resource !== undefined) return
  const verbs = listed(on?.verbs)
  if (verbs === undefined) {
    report(
      'error',
      'wildcard_allow',
      `Rule ${rule.name} allows every verb on prod. Name the verbs that it is about.`,
      rule,
    )
  } else if (verbs.some((verb) => !READING.has(verb)) && on?.team === undefined && !narrows(on?.classification)) {
    report(
      'error',
      'wildcard_allow',
      `Rule ${rule.name} lets anybody change anything on prod. Name the resources, a team or a classification, or say when.`,
      rule,
    )
  }
}
