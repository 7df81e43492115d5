import type { Principal } from '../principal.ts'
import { targetKey, readTarget } from '../profile/target.ts'
import { documentKey, ofKind, type Document, type DocumentOf } from './documents.ts'
import type { Finding } from './finding.ts'
import { checkRules } from './check-rules.ts'
import { readSettings } from './settings.ts'

/**
 * What holds between documents: unknown names, quorums nobody can fill, rules that can never match, two profiles of one
 * target, look-alike names. `people` are the accounts there are; without them nothing is said about accounts.
 */
export function checkSet(documents: readonly Document[], people?: readonly Principal[]): readonly Finding[] {
  const findings: Finding[] = []
  const report = reportTo(findings)
  const resources = ofKind(documents, 'Resource')
  const teams = ofKind(documents, 'Team')
  checkNames(documents, report)
  checkTargets(resources, report)
  checkResources(resources, new Set(teams.map((team) => team.name)), report)
  checkTeams(documents, teams, people, report)
  checkRules(documents, people, report)
  return findings.toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'))
}

/** Documents that stand in a set twice: which of them is meant, nobody can tell. */
export function findTwins(documents: readonly Document[]): readonly Finding[] {
  const findings: Finding[] = []
  checkNames(documents, reportTo(findings))
  return findings.filter((finding) => finding.code === 'duplicate_name')
}

const reportTo =
  (findings: Finding[]): Report =>
  (severity, code, message, document) => {
    const { path, line } = document ?? {}
    findings.push({
      severity,
      code,
      message,
      ...(path === undefined ? {} : { path }),
      ...(line === undefined ? {} : { line, column: 1 }),
    })
  }

export type Report = (severity: Finding['severity'], code: string, message: string, document?: Document) => void

function checkNames(documents: readonly Document[], report: Report): void {
  const seen = new Map<string, Document>()
  const looks = new Map<string, Document>()
  for (const document of documents) {
    const key = documentKey(document)
    const twin = seen.get(key)
    if (twin !== undefined) {
      const where = twin.path === undefined ? '' : ` (the other one: ${twin.path}, line ${twin.line ?? 1})`
      report(
        'error',
        'duplicate_name',
        document.kind === 'Settings'
          ? `There is one Settings document at most${where}.`
          : `${document.kind} ${document.name} is there twice${where}.`,
        document,
      )
      continue
    }
    seen.set(key, document)
    if (document.kind !== 'Resource' && document.kind !== 'Team') continue
    const look = `${document.kind}/${skeleton(document.name)}`
    const like = looks.get(look)
    if (like === undefined) looks.set(look, document)
    else
      report(
        'error',
        'confusable_name',
        `${document.kind} ${document.name} is easily taken for ${like.name}. Give one of them another name.`,
        document,
      )
  }
}

/** Names are ASCII; of the look-alikes within it these matter. */
const skeleton = (name: string): string =>
  name
    .replaceAll('0', 'o')
    .replaceAll(/[1i]/g, 'l')
    .replaceAll(/[._]/g, '-')
    .replaceAll('vv', 'w')
    .replaceAll('rn', 'm')

function checkTargets(resources: readonly DocumentOf<'Resource'>[], report: Report): void {
  const byTarget = new Map<string, DocumentOf<'Resource'>>()
  for (const resource of resources) {
    const read = readTarget(resource.body.connect)
    if (!read.ok) continue
    const key = targetKey(read.target)
    const other = byTarget.get(key)
    if (other === undefined) byTarget.set(key, resource)
    else if (other.name !== resource.name) {
      report(
        'warning',
        'same_target',
        `${resource.name} and ${other.name} are the same database. Each action is decided under both profiles, and the strictest answer counts.`,
        resource,
      )
    }
  }
}

function checkResources(
  resources: readonly DocumentOf<'Resource'>[],
  teams: ReadonlySet<string>,
  report: Report,
): void {
  for (const resource of resources) {
    const owners = resource.body.owners ?? []
    const missing = [
      ...(owners.length === 0 ? ['no owner'] : []),
      ...(resource.body.classification === undefined ? ['no classification'] : []),
    ]
    if (missing.length > 0)
      report(
        'warning',
        'incomplete',
        `${resource.name} has ${missing.join(' and ')}: it counts as restricted, and the security team is asked about everything.`,
        resource,
      )
    if (resource.body.directCredential === true && resource.body.access !== 'ephemeral')
      report(
        'error',
        'no_role',
        `${resource.name} gives credentials (directCredential), and has no roles to give them for. Write access: ephemeral.`,
        resource,
      )
    const claimed = new Map<string, string>()
    for (const owner of owners) {
      if (!teams.has(owner.team))
        report(
          'error',
          'unknown_team',
          `${resource.name} is owned by ${owner.team}, and there is no such team.`,
          resource,
        )
      for (const verb of owner.decides) {
        const other = claimed.get(verb)
        if (other !== undefined && other !== owner.layer)
          report(
            'warning',
            'two_layers',
            `On ${resource.name}, the layers ${other} and ${owner.layer} both decide ${verb}: both are asked.`,
            resource,
          )
        claimed.set(verb, owner.layer)
      }
    }
  }
}

function checkTeams(
  documents: readonly Document[],
  teams: readonly DocumentOf<'Team'>[],
  people: readonly Principal[] | undefined,
  report: Report,
): void {
  const { security } = readSettings(ofKind(documents, 'Settings')[0]?.body)
  const accounts = people === undefined ? undefined : new Map(people.map((person) => [person.id as string, person]))
  for (const team of teams) {
    if (team.body.members.length === 0) report('warning', 'empty_team', `Nobody is in team ${team.name}.`, team)
    for (const member of accounts === undefined ? [] : team.body.members) {
      const account = accounts?.get(member)
      if (account === undefined)
        report('warning', 'no_account', `${member} of team ${team.name} has no account, and cannot review.`, team)
      else if (account.kind !== 'user')
        report(
          'warning',
          'cannot_review',
          `${member} of team ${team.name} is ${account.kind === 'agent' ? 'an agent' : 'a service'}, and never reviews.`,
          team,
        )
      else if (account.disabled)
        report('warning', 'no_account', `The account of ${member} of team ${team.name} is disabled.`, team)
    }
  }
  const guards = teams.find((team) => team.name === security)
  if (guards === undefined && documents.length > 0) {
    report(
      'warning',
      'no_security_team',
      `There is no team ${security}: what goes to the security team can be approved by nobody. Add it, or name another in Settings.`,
    )
  } else if (guards?.body.members.length === 1) {
    report(
      'warning',
      'one_guard',
      `Team ${security} has one member: what they ask for themselves and needs the security team can be approved by nobody.`,
      guards,
    )
  }
}
