import type { Cli, Resource } from './cli.ts'
import { oneLine } from './exposed-text.ts'
import type { Style } from './terminal.ts'

export const classificationStyle = (one: Resource): Style | undefined =>
  one.classification === 'restricted' ? 'red' : one.classification === 'confidential' ? 'yellow' : undefined

/** The profile on one line: `restricted · prod · tier-1 · PCI-DSS · owner payments · audit 101 d (every 90 d)`. */
export function profileStrip(cli: Cli, resource: Resource): string {
  const days =
    resource.audit === undefined ? undefined : Math.floor((cli.now() - Date.parse(resource.audit.last)) / 86_400_000)
  const style = classificationStyle(resource)
  const level = resource.incomplete ? `${resource.classification} (incomplete profile)` : resource.classification
  return [
    style === undefined ? level : cli.paint(style, level),
    ...[resource.env, resource.criticality, ...resource.compliance].filter((part) => part !== undefined).map(oneLine),
    ...resource.owners.map((owner) => `${oneLine(owner.layer)} ${oneLine(owner.team)}`),
    days === undefined || Number.isNaN(days)
      ? 'never audited'
      : `audit ${days} d ago (every ${oneLine(resource.audit?.every ?? '')})`,
  ].join(' · ')
}
