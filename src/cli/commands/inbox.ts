import type { AccessRequest, Cli } from '../cli.ts'
import { oneLine } from '../exposed-text.ts'
import { needsWords, reviewsCount, subjectLine } from '../request-words.ts'
import { renderTable } from '../table.ts'
import type { Column } from '../table.ts'
import { left, span } from '../times.ts'

export async function run(cli: Cli): Promise<void> {
  const inbox = await (await cli.api()).call('getInbox', {})
  if (cli.wantsJson) return cli.json(inbox)
  const now = cli.now()
  const what: Column<AccessRequest> = { title: 'WHAT', cell: subjectLine, safe: true, shrinkTo: 28 }
  const common: readonly Column<AccessRequest>[] = [
    { title: 'ID', cell: (one) => one.id, style: () => 'bold' },
    {
      title: 'TIME',
      cell: (one) => left(one.expiresAt, now),
      style: (one) => (Date.parse(one.expiresAt) - now < 120_000 ? 'red' : 'dim'),
    },
  ]
  const place: readonly Column<AccessRequest>[] = [
    { title: 'ON', cell: (one) => one.resource, shrinkTo: 8 },
    { title: 'VERB', cell: (one) => one.verbs.join(', '), style: verbStyle, shrinkTo: 6 },
  ]
  const rule: Column<AccessRequest> = {
    title: 'RULE',
    cell: (one) => one.rules.join(', ') || one.cause.replaceAll('_', ' '),
    shrinkTo: 10,
    dropAt: 2,
  }
  const reviews: Column<AccessRequest> = { title: 'HAS', cell: reviewsCount, align: 'right' }
  const reason: Column<AccessRequest> = { title: 'REASON', cell: (one) => one.reason ?? '', shrinkTo: 12, dropAt: 3 }

  section(cli, 'Needs you', inbox.needsMe, [
    ...common,
    { title: 'WHO', cell: (one) => one.requester, shrinkTo: 6 },
    ...place,
    reviews,
    rule,
    what,
    reason,
  ])
  section(cli, 'Waiting for others', inbox.waiting, [
    ...common,
    ...place,
    reviews,
    { title: 'NEEDS', cell: needsWords, safe: true, shrinkTo: 14, dropAt: 2 },
    what,
  ])
  section(cli, 'Yours now', inbox.granted, [
    { title: 'ID', cell: (one) => one.id, style: () => 'bold' },
    {
      title: 'TIME',
      cell: (one) => (one.grant === undefined ? '-' : left(one.grant.expiresAt, now)),
      style: () => 'green',
    },
    ...place,
    { title: 'SCOPE', cell: (one) => one.scope },
    what,
  ])
  section(cli, 'To look at afterwards', inbox.afterwards, [
    { title: 'ID', cell: (one) => one.id, style: () => 'bold' },
    {
      title: 'TIME',
      cell: (one) => (one.afterwards === undefined ? '-' : left(one.afterwards.dueAt, now)),
      style: () => 'yellow',
    },
    { title: 'WHO', cell: (one) => one.requester, shrinkTo: 6 },
    { title: 'ON', cell: (one) => one.resource, shrinkTo: 8 },
    { title: 'WHY', cell: (one) => one.afterwards?.why.map((why) => why.words).join('; ') ?? '', shrinkTo: 30 },
    { ...what, dropAt: 2 },
  ])
  const owed = inbox.afterwards[0]
  if (owed !== undefined) cli.note(`\nLook, then say so: hp review ${owed.id}; hp acknowledge ${owed.id} -m "..."`)
  const first = inbox.needsMe[0]
  if (first !== undefined) cli.note(`\nLook, then decide: hp review ${first.id}`)
  else if (inbox.waiting.length === 0 && inbox.granted.length === 0 && owed === undefined)
    cli.note('Nothing waits for you, and nothing of yours waits.')
  for (const one of inbox.needsMe) {
    const place = one.standIns?.find((other) => Date.parse(other.until) > now && !isAsked(one, other.person))
    if (one.nudge?.done !== undefined)
      cli.note(`${one.id} reminded you ${span(now - Date.parse(one.nudge.done))} ago: nobody has answered.`)
    if (place !== undefined) cli.note(`${one.id}: ${oneLine(place.person)} answers for ${oneLine(place.for)}.`)
  }
  const oldest = inbox.needsMe.reduce((age, one) => Math.max(age, now - Date.parse(one.openedAt)), 0)
  if (oldest > 300_000) cli.note(`The oldest has waited ${span(oldest)}.`)
}

/** Asked in their own place. */
const isAsked = (one: AccessRequest, person: string): boolean =>
  one.requirements.some((lane) => lane.eligible.includes(person))

const verbStyle = (one: AccessRequest): 'red' | 'yellow' | undefined => {
  if (one.verbs.some((verb) => verb === 'delete' || verb === 'admin' || verb === 'unknown')) return 'red'
  return one.verbs.every((verb) => verb === 'read' || verb === 'connect') ? undefined : 'yellow'
}

function section(
  cli: Cli,
  title: string,
  rows: readonly AccessRequest[],
  columns: readonly Column<AccessRequest>[],
): void {
  if (rows.length === 0) return
  cli.print(`${cli.paint('bold', title)} ${cli.paint('dim', `(${rows.length})`)}`)
  cli.print(renderTable(cli.terminal, rows, columns, '  '))
}
