import type { Cli, Resource } from './cli.ts'
import { oneLine } from './exposed-text.ts'
import type { Style } from './terminal.ts'
import { softWrap } from './text-width.ts'

export const classificationStyle = (one: Resource): Style | undefined =>
  one.classification === 'restricted' ? 'red' : one.classification === 'confidential' ? 'yellow' : undefined

/**
 * The profile in one strip: `restricted · prod · tier-1 · PCI-DSS · owner payments · audit 101 d ago (every 90d)`,
 * broken at spaces to `room` columns where that is given.
 */
export function profileStrip(cli: Cli, resource: Resource, room?: number): string {
  const { audit } = resource
  const days = audit === undefined ? undefined : Math.floor((cli.now() - Date.parse(audit.last)) / 86_400_000)
  const level = resource.incomplete ? `${resource.classification} (incomplete profile)` : resource.classification
  const text = [
    level,
    ...[resource.env, resource.criticality, ...resource.compliance].filter((part) => part !== undefined).map(oneLine),
    ...resource.owners.map((owner) => `${oneLine(owner.layer)} ${oneLine(owner.team)}`),
    days === undefined || Number.isNaN(days)
      ? 'never audited'
      : `audit ${days} d ago (every ${oneLine(audit?.every ?? '')})`,
  ].join(' · ')
  const broken = room === undefined ? text : softWrap(text, room).join('\n')
  const style = classificationStyle(resource)
  // The level stands first and alone is painted, after breaking, so that colours do not count as columns.
  return style === undefined
    ? broken
    : cli.paint(style, resource.classification) + broken.slice(resource.classification.length)
}
