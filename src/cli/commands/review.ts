import { onceDespiteLoss } from '../cli.ts'
import type { AccessRequest, Cli } from '../cli.ts'
import { durationOf } from '../durations.ts'
import { EXIT, Stop, usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { profileOf } from '../profile-of.ts'
import { askedIn, requirementWords, stateWords, subjectLine } from '../request-words.ts'
import { renderReviewPage } from '../review-page.ts'

interface Input {
  readonly id: string
  readonly approve?: true
  readonly deny?: true
  readonly message?: string
  readonly for?: string
  readonly rows?: string
  readonly digest?: string
}

/**
 * Without a verdict: shows the request, whole, and asks on a terminal. With one: sends the digest of exactly the
 * request it fetched and names in its answer.
 */
export async function run(cli: Cli, input: Input): Promise<number> {
  if (input.deny === true && (input.message === undefined || input.message.trim() === ''))
    throw usage('a denial needs words that the requester will read', 'Add: -m "..."')
  if (input.for !== undefined) {
    if (input.deny === true) throw usage('--for goes with --approve')
    durationOf(input.for, '--for')
  }
  const rows = input.rows === undefined ? undefined : Number(input.rows)
  if (input.rows !== undefined) {
    if (input.deny === true) throw usage('--rows goes with --approve')
    if (!/^[1-9][0-9]{0,12}$/.test(input.rows)) throw usage('--rows must be a whole number from 1')
  }
  const client = await cli.api()
  const request = await client.call('getRequest', { params: { id: input.id } })
  if (input.digest !== undefined && input.digest !== request.digest)
    throw new Stop(
      EXIT.failed,
      `${oneLine(request.id)} is not what you were shown`,
      `Look again: hp review ${oneLine(request.id)}`,
    )

  if (input.approve === true || input.deny === true)
    return give(cli, request, {
      verdict: input.approve === true ? 'approve' : 'deny',
      words: input.message,
      atMost: input.for,
      rowsAtMost: rows,
    })

  const profile = await profileOf(cli, request)
  if (cli.wantsJson) {
    cli.json({ request, ...optional({ profile }) })
    return EXIT.ok
  }
  cli.print(renderReviewPage(cli, request, profile))
  if (request.state !== 'pending') return EXIT.ok
  const { approve, deny } = request.may
  if (!approve.allowed && !deny.allowed) {
    cli.note(`You cannot answer this: ${oneLine(approve.title)}`)
    return EXIT.ok
  }
  if (!cli.mayAsk) {
    const id = oneLine(request.id)
    cli.note(`hp review ${id} --approve, or hp review ${id} --deny -m '...'`)
    return EXIT.ok
  }
  return ask(cli, request, input)
}

/** Deliberately: a choice that stands on neither answer, then for an approval the id in full. Never one key. */
async function ask(cli: Cli, request: AccessRequest, input: Input): Promise<number> {
  const { select, text, isCancel } = await import('@clack/prompts')
  const output = process.stderr
  const choice = await select({
    message: `Your answer to ${request.id}`,
    output,
    options: [
      { value: 'later', label: 'Decide later' },
      ...(request.may.approve.allowed
        ? [{ value: 'approve', label: 'Approve', hint: 'exactly what is shown above' }]
        : []),
      ...(request.may.deny.allowed ? [{ value: 'deny', label: 'Deny', hint: 'with words' }] : []),
    ],
    initialValue: 'later',
  })
  if (isCancel(choice) || choice === 'later') return EXIT.ok
  if (choice === 'deny') {
    const words = await text({
      message: 'Why? The requester reads this.',
      output,
      validate: (given) => (given?.trim() ? undefined : 'A denial needs words.'),
    })
    if (isCancel(words)) return EXIT.ok
    return give(cli, request, { verdict: 'deny', words, atMost: undefined, rowsAtMost: undefined })
  }
  const typed = await text({
    message: `Type ${request.id} to approve`,
    output,
    validate: (given) => (sameId(given ?? '', request.id) ? undefined : `Type ${request.id}, or press Ctrl-C.`),
  })
  if (isCancel(typed)) return EXIT.ok
  let { rows } = input
  if (rows === undefined && request.rowCap?.needsNumber === true && mayBeCapped(request)) {
    const most = await text({
      message: 'How many rows may it touch? More roll it back.',
      output,
      validate: (given) => (/^[1-9][0-9]{0,12}$/.test(given?.trim() ?? '') ? undefined : 'A whole number from 1.'),
    })
    if (isCancel(most)) return EXIT.ok
    rows = most.trim()
  }
  const rowsAtMost = rows === undefined ? undefined : Number(rows)
  return give(cli, request, { verdict: 'approve', words: input.message, atMost: input.for, rowsAtMost })
}

const mayBeCapped = ({ subject }: AccessRequest): boolean =>
  subject.kind !== 'statement' || subject.uncapped === undefined

const sameId = (typed: string, id: string): boolean => {
  const text = typed.trim().toUpperCase()
  return text === id.toUpperCase() || `HP-${text}` === id.toUpperCase()
}

async function give(
  cli: Cli,
  request: AccessRequest,
  given: {
    readonly verdict: 'approve' | 'deny'
    readonly words: string | undefined
    readonly atMost: string | undefined
    readonly rowsAtMost: number | undefined
  },
): Promise<number> {
  const client = await cli.api()
  const body = {
    verdict: given.verdict,
    digest: request.digest,
    ...optional({ words: given.words, atMost: given.atMost, rowsAtMost: given.rowsAtMost }),
  }
  const after = await onceDespiteLoss((idempotencyKey) =>
    client.call('review', { params: { id: request.id }, body }, { idempotencyKey }),
  )
  if (cli.wantsJson) cli.json({ request: after })
  else cli.print(answered(after, given.verdict))
  return EXIT.ok
}

/** `approved HP-142: ana on shop-db: DELETE FROM carts ...`, and what is still missing. */
function answered(request: AccessRequest, verdict: 'approve' | 'deny'): string {
  const shorter = request.reviews.at(-1)?.atMost
  const limit = verdict === 'approve' && shorter !== undefined ? `, for at most ${oneLine(shorter)}` : ''
  const fewer = request.reviews.at(-1)?.rowsAtMost
  const rows = verdict === 'approve' && fewer !== undefined ? `, at most ${fewer.toLocaleString('en-US')} rows` : ''
  const what = `${oneLine(request.id)}: ${oneLine(request.requester)} on ${oneLine(request.resource)}: ${subjectLine(request)}${limit}${rows}`
  if (verdict === 'deny') return `denied ${what}`
  if (request.state === 'approved') return `approved ${what}`
  if (request.state !== 'pending') return `${stateWords(request)} ${what}`
  const approvers = new Set(request.reviews.filter((one) => one.verdict === 'approve').map((one) => one.for ?? one.by))
  const missing = request.requirements
    .map((lane) => ({
      lane,
      rest: lane.count - askedIn(request, lane).filter((person) => approvers.has(person)).length,
    }))
    .filter(({ rest }) => rest > 0)
    .map(({ lane, rest }) => requirementWords(lane.key, rest))
  return `approved by you, still needs ${missing.join(' and ') || 'another review'}: ${what}`
}
