import type { Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { profileStrip } from '../profile-strip.ts'
import { profileOf } from '../profile-of.ts'
import { renderReviewPage } from '../review-page.ts'
import { renderPairs } from '../table.ts'

export async function run(cli: Cli, { resource: name }: { readonly resource: string }): Promise<void> {
  // No resource has a capital letter in its name: this is the number of a request that somebody has just read.
  if (/^HP-[0-9]+$/.test(name)) return showRequest(cli, name)
  const resource = await (await cli.api()).call('getResource', { params: { name } })
  if (cli.wantsJson) return cli.json({ resource })
  const { target } = resource
  cli.print(`${cli.paint('bold', oneLine(resource.name))}  ${profileStrip(cli, resource)}`)
  if (resource.purpose !== undefined) cli.print(oneLine(resource.purpose))
  cli.print('')
  cli.print(
    renderPairs(cli.terminal, [
      ['type', oneLine(resource.type)],
      [
        'target',
        oneLine(`${target.user}@${target.host}:${target.port}/${target.database} (sslmode ${target.sslmode})`),
      ],
      ['environment', resource.env === undefined ? undefined : oneLine(resource.env)],
      ['classification', resource.classification],
      ['criticality', resource.criticality === undefined ? undefined : oneLine(resource.criticality)],
      ['compliance', resource.compliance.map(oneLine).join(', ')],
      [
        'owners',
        resource.owners
          .map((one) =>
            oneLine(`${one.layer}: ${one.team}${one.decides.length === 0 ? '' : ` (${one.decides.join(', ')})`}`),
          )
          .join('\n'),
      ],
      [
        'audit',
        resource.audit === undefined ? undefined : oneLine(`${resource.audit.last}, every ${resource.audit.every}`),
      ],
      [
        'labels',
        Object.entries(resource.labels)
          .map(([key, value]) => oneLine(`${key}=${value}`))
          .join('\n'),
      ],
      ['time zone', oneLine(resource.timezone)],
      ['revision', String(resource.revision)],
      ['open grants', String(resource.openGrants)],
      ['waiting', String(resource.pendingRequests)],
      ['connect', oneLine(resource.clientLine)],
    ]),
  )
  for (const warning of resource.warnings) cli.note(`${cli.paint('yellow', 'warning:')} ${oneLine(warning)}`)
}

/** The page of a request, to read; `hp review` is where it is answered. */
async function showRequest(cli: Cli, id: string): Promise<void> {
  const request = await (await cli.api()).call('getRequest', { params: { id } })
  const profile = await profileOf(cli, request)
  if (cli.wantsJson) return cli.json({ request, ...optional({ profile }) })
  cli.print(renderReviewPage(cli, request, profile))
}
