import type { Action, Context } from '../action.ts'
import type { PrincipalId, ResourceName, Revision, TeamName } from '../ids.ts'
import type { Principal } from '../principal.ts'
import type { Profile, Team } from '../profile/profile.ts'
import { readProfile } from '../profile/read-profile.ts'
import { targetKey } from '../profile/target.ts'
import type { Verb } from '../verb.ts'
import { combine } from './combine.ts'
import { allow, judge, readsEstimate, type Case } from './decide.ts'
import type { Decision, Requirement } from './decision.ts'
import { ofKind, type Document } from './documents.ts'
import { resolveReview, type Asker } from './requirements.ts'
import { coversVerb, matchesStatically, readRule, type ExpressionCache, type HoldEffect, type Rule } from './rule.ts'
import { readSettings, type Settings } from './settings.ts'
import type { DecisionScope, Snapshot } from './snapshot.ts'
import { PrincipalView } from './views.ts'

/** Everything in force at one revision, as the store gives it. */
export interface DocumentSet {
  readonly revision: Revision
  readonly documents: readonly Document[]
  /** The revision in which each resource last changed; its own when it is not listed. */
  readonly changed?: ReadonlyMap<string, Revision>
}
export interface BuildOptions {
  /** Kept from one build to the next by the caller; only speed depends on it. */
  readonly expressions?: ExpressionCache
}

/** Make the policy of one revision ready to decide. Pure; throws only on documents that were never validated. */
export function buildSnapshot(
  set: DocumentSet,
  people: readonly Principal[],
  options: BuildOptions = {},
): PolicySnapshot {
  return new PolicySnapshot(set, people, options.expressions)
}

/** How many kinds of (resource, principal) pairs are remembered. Past it, they are picked out again. */
const MOST_CLASSES = 20_000

/** A `Snapshot` with what explaining needs besides. */
export class PolicySnapshot implements Snapshot {
  readonly revision: Revision
  readonly resources: ReadonlyMap<ResourceName, Profile>
  readonly teams: ReadonlyMap<TeamName, Team>
  readonly people: ReadonlyMap<PrincipalId, Principal>
  readonly settings: Settings
  readonly rules: readonly Rule[]
  readonly #byResource = new Map<string, Rule[]>()
  readonly #byTarget = new Map<string, Profile[]>()
  readonly #general: readonly Rule[]
  readonly #teamsOf = new Map<string, TeamName[]>()
  readonly #classes = new Map<string, VerbRules>()
  readonly #keys = new WeakMap<Profile, string>()

  constructor(set: DocumentSet, people: readonly Principal[], expressions: ExpressionCache | undefined) {
    this.revision = set.revision
    this.resources = new Map(
      ofKind(set.documents, 'Resource').map(({ body }) => [
        body.name as ResourceName,
        readProfile(body, set.changed?.get(body.name) ?? set.revision),
      ]),
    )
    this.teams = new Map(
      ofKind(set.documents, 'Team').map(({ body }) => [
        body.name as TeamName,
        {
          name: body.name as TeamName,
          members: body.members as PrincipalId[],
          ...(body.lead === undefined ? {} : { lead: body.lead as PrincipalId }),
        },
      ]),
    )
    this.people = new Map(people.map((person) => [person.id, person]))
    this.settings = readSettings(ofKind(set.documents, 'Settings')[0]?.body)
    this.rules = ofKind(set.documents, 'Rule').map((document) => readRule(document, expressions))
    for (const profile of this.resources.values()) listIn(this.#byTarget, targetKey(profile.target)).push(profile)
    const general: Rule[] = []
    for (const rule of this.rules) {
      const resources = rule.on.get('resource')
      if (resources === undefined) general.push(rule)
      else for (const resource of resources) listIn(this.#byResource, resource).push(rule)
    }
    this.#general = general
    for (const team of this.teams.values())
      for (const member of team.members) listIn(this.#teamsOf, member).push(team.name)
    for (const teams of this.#teamsOf.values()) teams.sort()
  }

  teamsOf(principal: Principal): readonly TeamName[] {
    return this.#teamsOf.get(principal.id) ?? []
  }

  scope(principal: Principal, resource: ResourceName, database?: string): PolicyScope | undefined {
    const profile = this.resources.get(resource)
    if (profile === undefined) return undefined
    // Two profiles of one target: whichever name is used, both are asked, and the strictest answer counts.
    const at = this.resourcesAt(profile, profile.target.database)
    const also = database === undefined ? at : [...new Set([...at, ...this.resourcesAt(profile, database)])]
    const others = also.filter((other) => other !== profile)
    return this.#scopeOf(
      principal,
      profile,
      others.map((other) => this.#scopeOf(principal, other, [])),
    )
  }

  /** Profiles of a database on the server of `profile`: what a session there touches, by whichever name it came. */
  resourcesAt(profile: Profile, database: string): readonly Profile[] {
    return this.#byTarget.get(targetKey({ ...profile.target, database })) ?? []
  }

  #scopeOf(principal: Principal, profile: Profile, others: readonly PolicyScope[]): PolicyScope {
    const teams = this.teamsOf(principal)
    const own =
      this.#byResource.get(profile.name)?.filter((rule) => matchesStatically(rule, profile, principal, teams)) ?? []
    return new PolicyScope(this, principal, profile, teams, this.#classOf(principal, profile, teams), own, others)
  }

  /** Rules that name no resource depend on these facts alone, so pairs that agree in them share one list. */
  #classOf(principal: Principal, profile: Profile, teams: readonly TeamName[]): VerbRules {
    let profileKey = this.#keys.get(profile)
    if (profileKey === undefined) {
      profileKey = JSON.stringify([
        profile.type,
        profile.env,
        profile.classification,
        profile.criticality,
        profile.compliance,
      ])
      this.#keys.set(profile, profileKey)
    }
    const key = `${profileKey} ${principal.kind} ${teams.join(' ')}`
    let found = this.#classes.get(key)
    if (found === undefined) {
      found = new VerbRules(this.#general.filter((rule) => matchesStatically(rule, profile, principal, teams)))
      if (this.#classes.size >= MOST_CLASSES) this.#classes.clear()
      this.#classes.set(key, found)
    }
    return found
  }
}

class VerbRules {
  readonly #rules: readonly Rule[]
  readonly #byVerb = new Map<Verb, readonly Rule[]>()
  constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }
  for(verb: Verb): readonly Rule[] {
    let found = this.#byVerb.get(verb)
    if (found === undefined) {
      found = this.#rules.filter((rule) => coversVerb(rule, verb))
      this.#byVerb.set(verb, found)
    }
    return found
  }
}

/** One principal on one resource. Holds the case of each verb, all of it fixed by the snapshot; every `decide` evaluates. */
export class PolicyScope implements DecisionScope {
  readonly principal: Principal
  readonly profile: Profile
  readonly snapshot: PolicySnapshot
  readonly teams: readonly TeamName[]
  /** Scopes of the other resources with the same target. */
  readonly others: readonly PolicyScope[]
  readonly #shared: VerbRules
  readonly #own: readonly Rule[]
  readonly #view: PrincipalView
  readonly #cases = new Map<Verb, Case>()

  constructor(
    snapshot: PolicySnapshot,
    principal: Principal,
    profile: Profile,
    teams: readonly TeamName[],
    shared: VerbRules,
    own: readonly Rule[],
    others: readonly PolicyScope[],
  ) {
    this.snapshot = snapshot
    this.principal = principal
    this.profile = profile
    this.teams = teams
    this.others = others
    this.#shared = shared
    this.#own = own
    this.#view = new PrincipalView(principal, teams)
  }

  decide(action: Action, context: Context): Decision {
    const decision = judge(this.caseOf(action.verb), action, context)
    return this.others.length === 0
      ? decision
      : combine([decision, ...this.others.map((other) => other.decide(action, context))])
  }

  needsEstimate(verb: Verb): boolean {
    return readsEstimate(this.caseOf(verb).candidates, verb) || this.others.some((other) => other.needsEstimate(verb))
  }

  caseOf(verb: Verb): Case {
    let found = this.#cases.get(verb)
    if (found === undefined) {
      const own = this.#own.filter((rule) => coversVerb(rule, verb))
      const shared = this.#shared.for(verb)
      found = newCase(own.length === 0 ? shared : [...shared, ...own], this, verb, this.#view)
      this.#cases.set(verb, found)
    }
    return found
  }
}

function newCase(candidates: readonly Rule[], scope: PolicyScope, verb: Verb, principal: PrincipalView): Case {
  const { snapshot, profile } = scope
  const asker: Asker = {
    known: snapshot,
    requester: scope.principal,
    profile,
    verb,
    security: snapshot.settings.security,
  }
  const resolved = new Map<Rule, readonly Requirement[]>()
  const allowed = new Map<Rule, Decision>()
  return {
    candidates,
    asker,
    settings: snapshot.settings,
    principal,
    resolve: (rule: Rule, effect: HoldEffect) => {
      let found = resolved.get(rule)
      if (found === undefined) {
        found = effect.reviews.flatMap((review) => resolveReview(asker, review, [rule.name]))
        resolved.set(rule, found)
      }
      return found
    },
    alone: (rule, effect) => {
      let found = allowed.get(rule)
      if (found === undefined) allowed.set(rule, (found = allow([{ rule, effect }], [], verb)))
      return found
    },
  }
}

function listIn<V>(map: Map<string, V[]>, key: string): V[] {
  let list = map.get(key)
  if (list === undefined) map.set(key, (list = []))
  return list
}
