import type { PrincipalId, ResourceName, Revision } from '../../domain/ids.ts'
import type { DocumentChange } from '../../domain/policy/difference.ts'
import { ofKind, type Document } from '../../domain/policy/documents.ts'
import { readSettings } from '../../domain/policy/settings.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import { whyNobodyIn } from '../../domain/request/requirement-words.ts'
import { readProfile } from '../../domain/profile/read-profile.ts'
import type { DocumentDeps } from './deps.ts'
import { accountWarning } from './target-accounts.ts'
import type { TargetAccounts } from './target-accounts.ts'

/** Targets looked at after one apply. */
const MOST_PROBES = 20

/** What an apply tells about each resource that it added or changed: reachable, inferred, incomplete, how to connect. */
export async function notesFor(
  deps: Pick<DocumentDeps, 'targets' | 'openTarget' | 'gateway' | 'keeper'> & { readonly accounts: TargetAccounts },
  changes: readonly DocumentChange[],
  documents: readonly Document[],
  user: PrincipalId,
): Promise<readonly string[]> {
  const touched = new Set(
    changes.filter((change) => change.kind === 'Resource' && change.change !== 'removed').map((change) => change.name),
  )
  const resources = ofKind(documents, 'Resource').filter((resource) => touched.has(resource.name))
  const { security } = readSettings(ofKind(documents, 'Settings')[0]?.body)
  const snapshot = deps.keeper.current()
  const nobody = snapshot && whyNobodyIn(security, snapshot)
  const told = await Promise.all(
    resources.slice(0, MOST_PROBES).map(async ({ name, body }) => {
      const profile = readProfile(body, 0 as Revision)
      const inferred = body.type === undefined ? [`${name}: type ${profile.type}, inferred from connect`] : []
      const missing = [
        ...(profile.owners.length === 0 ? ['an owner'] : []),
        ...(body.classification === undefined ? ['a classification'] : []),
      ]
      const incomplete =
        missing.length === 0
          ? []
          : [
              `${name}: incomplete; everything on it is held for team ${security} until ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} set`,
              ...(nobody === undefined ? [] : [`${name}: ${nobody}`]),
            ]
      const reached = await reach(deps, profile)
      return reached.concat(
        inferred,
        incomplete,
        `${name}: connect with ${clientLine(deps.gateway, profile.name, user)}`,
      )
    }),
  )
  const rest = resources.length - MOST_PROBES
  return [...told.flat(), ...(rest > 0 ? [`and ${rest} more resources, which were not tried`] : [])]
}

/** The look itself is only information: that it fails changes nothing about what was applied. */
async function reach(
  deps: Pick<DocumentDeps, 'targets' | 'openTarget'> & { readonly accounts: TargetAccounts },
  profile: Profile,
): Promise<string[]> {
  const { name } = profile
  try {
    const target = await deps.openTarget(profile)
    if (!target.ok) return [`${name}: not tried: ${target.detail ?? 'its password cannot be had'}`]
    const probed = await deps.targets.probe(target.value)
    if (!probed.ok) {
      const way =
        profile.credential === undefined && probed.message.includes('a password')
          ? `; seal one with \`hp secret set ${profile.name}\`, and add to the resource \`credential: { from: secret, name: ${profile.name} }\``
          : ''
      return [`${name}: not reachable: ${probed.message}${way}`]
    }
    deps.accounts.note(profile, probed.account)
    const warning = accountWarning(profile, probed.account)
    return [
      `${name}: reachable, PostgreSQL ${probed.version}`,
      ...(warning === undefined ? [] : [`${name}: warning: ${warning}`]),
    ]
  } catch {
    return [`${name}: not tried: the look at it failed`]
  }
}

/** For the client that people already have. */
export const clientLine = (
  gateway: { readonly host: string; readonly port: number },
  resource: ResourceName,
  user: PrincipalId,
): string => `psql "host=${gateway.host} port=${gateway.port} dbname=${resource} user=${user}"`
