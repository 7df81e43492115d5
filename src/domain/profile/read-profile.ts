import type { ResourceBody } from '../policy/schema.ts'
import type { ResourceName, Revision, TeamName } from '../ids.ts'
import { millis, parseDuration } from '../time.ts'
import type { NamedVerb } from '../verb.ts'
import type { Profile } from './profile.ts'
import { readTarget } from './target.ts'

/**
 * The profile that policy sees. Without an owner or a classification it is incomplete and counts as restricted.
 * @param revision the one in which the document last changed.
 * @throws on a body whose `connect` was never validated: that is a fault, not a finding.
 */
export function readProfile(body: ResourceBody, revision: Revision): Profile {
  const read = readTarget(body.connect)
  if (!read.ok) throw new Error(`resource ${body.name}: ${read.message}`)
  const incomplete = body.classification === undefined || body.owners === undefined || body.owners.length === 0
  return {
    name: body.name as ResourceName,
    revision,
    type: 'postgres',
    target: read.target,
    ...(body.credential === undefined ? {} : { credential: body.credential }),
    ...(body.access === undefined ? {} : { access: body.access }),
    ...(body.directCredential === true ? { directCredential: true } : {}),
    ...(body.env === undefined ? {} : { env: body.env }),
    classification: incomplete ? 'restricted' : (body.classification ?? 'restricted'),
    ...(body.criticality === undefined ? {} : { criticality: body.criticality }),
    ...(body.purpose === undefined ? {} : { purpose: body.purpose }),
    compliance: body.compliance ?? [],
    owners: (body.owners ?? []).map((owner) => ({
      layer: owner.layer,
      team: owner.team as TeamName,
      decides: owner.decides as readonly NamedVerb[],
    })),
    ...((typeof body.audit === 'string' ? body.audit : body.audit?.statements) === 'sync' ? { recordFirst: true } : {}),
    ...(typeof body.audit !== 'object' || !('last' in body.audit)
      ? {}
      : { audit: { last: body.audit.last, every: parseDuration(body.audit.every) ?? millis(0) } }),
    labels: body.labels ?? {},
    timezone: body.timezone ?? 'UTC',
    incomplete,
  }
}
