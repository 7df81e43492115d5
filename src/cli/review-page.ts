import { unusualSettings } from '../domain/request/session-settings.ts'
import { poolWords } from '../domain/request/requirement-words.ts'
import type { AccessRequest, Cli, Resource } from './cli.ts'
import { renderDone, rowCapLine } from './done-words.ts'
import { exposeLines, hasExposed, oneLine } from './exposed-text.ts'
import { profileStrip } from './profile-strip.ts'
import { askedIn, requirementWords, sentence, stateWords } from './request-words.ts'
import { renderPairs } from './table.ts'
import { hardWrap, softWrap } from './text-width.ts'
import { clock, left, span } from './times.ts'

type Statement = Extract<AccessRequest['subject'], { kind: 'statement' }>

/**
 * Everything a reviewer must see, whole: nothing is cut, whatever its length, and no two different payloads look
 * alike. `profile` is absent when it could not be read; the page says so.
 */
export function renderReviewPage(cli: Cli, request: AccessRequest, profile: Resource | undefined): string {
  const now = cli.now()
  const pending = request.state === 'pending'
  const parts: string[] = []
  const title = `${cli.paint('bold', oneLine(request.id))}  ${sentence(request)}\n`
  const time = pending
    ? `${cli.paint('yellow', 'pending')} · ${left(request.expiresAt, now)} (until ${clock(request.expiresAt, now)}) · asked ${span(now - Date.parse(request.openedAt))} ago`
    : stateWords(request)
  parts.push(`${title}${time}\n`)

  const { subject } = request
  if (subject.kind === 'statement') parts.push(renderStatement(cli, subject))
  else parts.push(renderOther(cli, request))

  parts.push(
    renderPairs(cli.terminal, [
      [
        'reason',
        request.reason === undefined
          ? cli.paint('dim', 'none given')
          : wrapped(cli, exposeLines(request.reason).join(' '), 9),
      ],
      ['profile', profileLine(cli, request, profile)],
      ['purpose', profile?.purpose === undefined ? undefined : wrapped(cli, oneLine(profile.purpose), 9)],
      ['rules', why(request)],
      ['failed', request.failures.map((one) => cli.paint('red', oneLine(`${one.rule}: ${one.message}`))).join('\n')],
      ['yields', yields(request)],
      ['rows', rowCapLine(cli, request)],
      ['digest', oneLine(request.digest)],
      ['page', oneLine(request.url)],
    ]),
  )
  parts.push(renderLanes(cli, request))
  const done = renderDone(cli, request)
  if (done !== '') parts.push(done)
  return parts.join('\n')
}

function renderStatement(cli: Cli, subject: Statement): string {
  const facts = subject.actions.map((one) => one.facts)
  const sql = facts.flatMap((one) => (one.sql === undefined ? [] : [one.sql]))
  const all = (pick: (one: (typeof sql)[number]) => readonly string[]): string =>
    [...new Set(sql.flatMap(pick))].map(oneLine).join(', ')
  const bytes = Buffer.byteLength(subject.text)
  const lines = subject.text.split('\n').length
  const heading = `${cli.paint('dim', `the statement, ${lines} ${lines === 1 ? 'line' : 'lines'}, ${bytes} bytes`)}\n`
  const odd = hasExposed(subject.text)
    ? `${cli.paint('red', 'It holds characters that cannot be seen or look like others; they are shown as ⟨U+....⟩.')}\n`
    : ''
  const { locks, state } = subject
  return (
    heading +
    renderPayload(cli, subject.text) +
    odd +
    renderParameters(cli, subject.parameters) +
    '\n' +
    renderPairs(cli.terminal, [
      ['verbs', [...new Set(subject.actions.map((one) => one.verb))].join(', ')],
      ['commands', all((one) => one.statements)],
      ['tables', all((one) => one.tables)],
      ['columns', all((one) => one.columns)],
      ['functions', all((one) => one.functions)],
      ['where', sql.some((one) => !one.hasWhere) ? cli.paint('red', 'none: it touches every row') : undefined],
      ['estimate', estimate(subject)],
      [
        'session',
        oneLine(
          `database ${state.database} as ${state.role}, search_path ${state.searchPath}, ${state.inTransaction ? 'inside a transaction' : 'no transaction'}`,
        ),
      ],
      [
        '',
        oneLine(
          `encoding ${state.encoding}, time zone ${state.timeZone}, standard_conforming_strings ${state.standardConformingStrings ? 'on' : 'off'}`,
        ),
      ],
      [
        'settings',
        unusualSettings(state.settings)
          .map(([name, value]) => oneLine(`${name} = '${value}'`))
          .join('\n'),
      ],
      ['temporary', state.temporaryObjects.map(oneLine).join(', ')],
      [
        'locks',
        locks === undefined || (locks.held.length === 0 && locks.waiters === 0)
          ? undefined
          : cli.paint(
              'yellow',
              [
                `${locks.held.map((one) => oneLine(`${one.object} (${one.mode})`)).join(', ') || 'none'}; ${locks.waiters} waiting behind it when it was asked`,
                ...(locks.waiting ?? []).map(waiterWords),
              ].join('\n'),
            ),
      ],
      [
        'run',
        subject.run === undefined
          ? undefined
          : cli.paint(
              'yellow',
              `${subject.run.join(', ')}: whatever else the session does with these goes on without asking, until it ends`,
            ),
      ],
      ['not covered', subject.notCovered.map((one) => cli.paint('yellow', oneLine(one))).join('\n')],
    ])
  )
}

type Waiter = NonNullable<NonNullable<Statement['locks']>['waiting']>[number]

/** `pid 4711, app (web) on shop, for 12 s: UPDATE carts SET note = ?` */
function waiterWords({ pid, user, application, database, forMs, statement }: Waiter): string {
  const who = user === undefined ? '' : `, ${user}${application === undefined ? '' : ` (${application})`}`
  const where = database === undefined ? '' : ` on ${database}`
  const time = forMs === undefined ? '' : `, for ${span(forMs)}`
  return oneLine(`pid ${pid}${who}${where}${time}${statement === undefined ? '' : `: ${statement}`}`)
}

/** Numbered lines, broken to the terminal's width with a mark of their own, so that no text can fake a line. */
export function renderPayload(cli: Cli, text: string): string {
  const lines = exposeLines(text)
  const digits = String(lines.length).length
  const room = cli.terminal.columns === undefined ? undefined : Math.max(20, cli.terminal.columns - digits - 5)
  return lines
    .map((line, i) => {
      const number = cli.paint('dim', `  ${String(i + 1).padStart(digits)} │ `)
      const pieces = room === undefined ? [line] : hardWrap(line, room)
      return pieces
        .map(
          (piece, at) => (at === 0 ? number : cli.paint('dim', `  ${' '.repeat(digits)} ┆ `)) + highlight(cli, piece),
        )
        .map((one) => `${one}\n`)
        .join('')
    })
    .join('')
}

const highlight = (cli: Cli, text: string): string =>
  text.replace(/⟨U\+[0-9A-F]+⟩/g, (code) => cli.paint(['red', 'bold'], code))

function renderParameters(cli: Cli, parameters: Statement['parameters']): string {
  return parameters
    .map((one, i) => {
      const name = cli.paint('dim', `  $${i + 1} = `)
      switch (one.kind) {
        case 'null':
          return `${name}NULL\n`
        case 'text':
          return `${name}'${highlight(cli, exposeLines(one.text).join('⟨U+000A⟩\n       '))}'\n`
        case 'binary':
          return one.reads === undefined
            ? `${name}binary ${oneLine(one.hex)}\n`
            : `${name}'${highlight(cli, exposeLines(one.reads.text).join('⟨U+000A⟩\n       '))}' (${oneLine(one.reads.type)}, binary ${oneLine(one.hex)})\n`
        case 'masked':
          return `${name}${cli.paint('yellow', `masked (${one.bytes} bytes); bound by the digest all the same`)}\n`
      }
    })
    .join('')
}

/** I1: what the target itself cannot bound is told to who approves. */
const GIVEN =
  'credential given to the requester: a session already open may outlive the time by as long as it takes to end it on the target'

function renderOther(cli: Cli, request: AccessRequest): string {
  const { subject } = request
  switch (subject.kind) {
    case 'connect':
      return renderPairs(cli.terminal, [
        ['database', oneLine(subject.database)],
        ['client', oneLine(subject.client)],
        ['from', oneLine(subject.sourceAddress)],
      ])
    case 'window':
      return renderPairs(cli.terminal, [
        ['verbs', subject.verbs.join(', ')],
        ['length', `${oneLine(subject.length)}, from the approval on`],
        ...(subject.credential === true ? [['credential', cli.paint('yellow', GIVEN)] as const] : []),
        [
          'not covered',
          cli.paint(
            'yellow',
            subject.credential === true
              ? 'which statements will run: with the credential nothing of it is decided, counted or recorded'
              : 'which statements will run; each is decided by policy when it comes',
          ),
        ],
      ])
    case 'extension':
      return renderPairs(cli.terminal, [
        ['extends', `${oneLine(subject.of)} (grant ${oneLine(subject.grant)})`],
        ['verbs', subject.verbs.join(', ')],
        ['by', oneLine(subject.length)],
      ])
    case 'change':
      return (
        cli.paint('dim', `the change, against revision ${subject.base}\n`) +
        renderPayload(cli, subject.summary.join('\n'))
      )
    case 'hidden':
      return cli.paint('yellow', 'What it says is not shown to you.\n')
    case 'statement':
      return ''
  }
}

function estimate(subject: Statement): string {
  const found = subject.actions.flatMap((one) => (one.facts.estimate === undefined ? [] : [one.facts.estimate]))
  if (found.length === 0) return 'unknown (the statement was not planned)'
  const rows = Math.max(...found.map((one) => one.rows))
  const cascades = new Set(
    found.flatMap((one) =>
      (one.cascades ?? []).map(
        (c) => `\nalso ${c.does === 'deletes' ? 'deletes from' : 'updates'} ${oneLine(c.table)} by cascade`,
      ),
    ),
  )
  return `about ${Math.round(rows).toLocaleString('en-US')} ${Math.round(rows) === 1 ? 'row' : 'rows'} (cost ${Math.round(Math.max(...found.map((one) => one.cost))).toLocaleString('en-US')})${[...cascades].join('')}`
}

function why(request: AccessRequest): string {
  const rules = request.rules.map(oneLine).join(', ')
  if (request.subject.kind === 'change') return `nobody changes policy alone${rules === '' ? '' : ` (${rules})`}`
  switch (request.cause) {
    case 'rule':
      return rules
    case 'default':
      return 'none matched: held by default'
    case 'unknown_action':
      return `it could not be classified${rules === '' ? '' : ` (${rules})`}`
    case 'expression_failed':
      return `an expression failed, so it is held${rules === '' ? '' : ` (${rules})`}`
    case 'incomplete_profile':
      return `the profile is incomplete${rules === '' ? '' : ` (${rules})`}`
    default:
      return [oneLine(request.cause), rules].filter((part) => part !== '').join(': ')
  }
}

function yields(request: AccessRequest): string {
  if (request.subject.kind === 'change') return 'the change is in force at once, unless the documents moved meanwhile'
  const scope = {
    once: 'one run of exactly this, in the session that waits',
    session: request.subject.kind === 'connect' ? 'this session' : 'the rest of the session that waits',
    window: 'a window',
  }[request.scope]
  return `${scope}, at most ${oneLine(request.grantAtMost)}; recording ${request.recording}`
}

/** `✓ mia` who has agreed, `· dev` who may. */
function renderLanes(cli: Cli, request: AccessRequest): string {
  const approved = new Set(request.reviews.filter((one) => one.verdict === 'approve').map((one) => one.for ?? one.by))
  const lanes = request.requirements.map((lane) => {
    const asked = askedIn(request, lane)
    const has = asked.filter((person) => approved.has(person))
    const may = asked.filter((person) => !approved.has(person))
    const met = has.length >= lane.count
    const mark = met ? cli.paint('green', '✓') : cli.paint('yellow', '○')
    const people = [
      ...has.map((person) => cli.paint('green', `✓ ${oneLine(person)}`)),
      ...may.map((person) => oneLine(person)),
    ].join(', ')
    const from = lane.rules.length === 0 ? '' : cli.paint('dim', `  (${lane.rules.map(oneLine).join(', ')})`)
    const climbed =
      lane.climbedFrom === undefined
        ? ''
        : cli.paint('yellow', `  asked because nobody in ${oneLine(poolWords(lane.climbedFrom))} could`)
    const nobody = asked.length === 0 ? cli.paint('red', 'nobody may answer this') : people
    return `  ${mark} ${requirementWords(lane.key, lane.count)}: ${nobody}${from}${climbed}\n`
  })
  const stuck = request.unanswerable === undefined ? '' : `  ${cli.paint('red', oneLine(request.unanswerable))}\n`
  const said = request.reviews.map((one) => {
    const words = one.words === undefined ? '' : `: ${oneLine(one.words)}`
    const shorter = one.atMost === undefined ? '' : `, for at most ${oneLine(one.atMost)}`
    const fewer = one.rowsAtMost === undefined ? '' : `, at most ${one.rowsAtMost.toLocaleString('en-US')} rows`
    return `  ${oneLine(one.by)}${one.for === undefined ? '' : ` (for ${oneLine(one.for)})`} ${one.verdict === 'approve' ? 'approved' : 'denied'}${shorter}${fewer}${words}\n`
  })
  return `${cli.paint('dim', 'who must agree')}\n${lanes.join('') || '  nobody\n'}${stuck}${renderWaiting(cli, request)}${said.length === 0 ? '' : `${cli.paint('dim', 'said so far')}\n${said.join('')}`}`
}

/** What happens while nobody answers, and who answers for whom. */
function renderWaiting(cli: Cli, request: AccessRequest): string {
  const now = cli.now()
  const ago = (at: string): string => `${span(now - Date.parse(at))} ago`
  const lines = [
    ...(request.nudge?.done === undefined ? [] : [`reminded ${ago(request.nudge.done)}`]),
    ...(request.escalations ?? []).flatMap(({ at, done, eligible }) => {
      const people = eligible.map(oneLine).join(', ')
      if (done !== undefined) return [`escalated to ${people} ${ago(done)}`]
      return request.state === 'pending' ? [`to ${people} too, if nobody answers: ${left(at, now)}`] : []
    }),
    ...(request.standIns ?? [])
      .filter((one) => Date.parse(one.until) > now)
      .map((one) => `${oneLine(one.person)} answers for ${oneLine(one.for)} until ${clock(one.until, now)}`),
  ]
  return lines.map((line) => `  ${cli.paint('yellow', line)}\n`).join('')
}

const wrapped = (cli: Cli, text: string, indent: number): string =>
  cli.terminal.columns === undefined ? text : softWrap(text, cli.terminal.columns - indent - 2).join('\n')

function profileLine(cli: Cli, request: AccessRequest, profile: Resource | undefined): string | undefined {
  if (profile !== undefined)
    return profileStrip(cli, profile, cli.terminal.columns === undefined ? undefined : cli.terminal.columns - 11)
  return request.subject.kind === 'change' ? undefined : cli.paint('yellow', 'could not be read')
}
