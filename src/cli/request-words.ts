import { requirementWords as wordsOf } from '../domain/request/requirement-words.ts'
import type { AccessRequest } from './cli.ts'
import { exposeLines, oneLine } from './exposed-text.ts'

/** Sentences and phrases about a request. All of them are safe to print. */

/** `1 of team payments`, from `team:payments` and 1. */
export const requirementWords = (key: string, count: number): string => oneLine(wordsOf({ key, count }))

export const needsWords = (request: AccessRequest): string =>
  request.requirements.map((one) => requirementWords(one.key, one.count)).join(' and ')

/** The first line of what was asked, on one line; for lists. */
export function subjectLine(request: AccessRequest): string {
  const { subject } = request
  switch (subject.kind) {
    case 'statement':
      return exposeLines(subject.text)
        .map((line) => line.trim())
        .filter((line) => line !== '')
        .join(' ')
    case 'connect':
      return `open a session on ${oneLine(subject.database)} with ${oneLine(subject.client)}`
    case 'window':
      return `${subject.verbs.join(', ')} for ${oneLine(subject.length)}${subject.credential === true ? ', with a credential' : ''}`
    case 'extension':
      return `${oneLine(subject.length)} more of ${oneLine(subject.of)}`
    case 'change':
      // What an added document says stands indented below its name: that is for the review page.
      return subject.summary
        .filter((line) => !line.startsWith(' '))
        .map(oneLine)
        .join('; ')
    case 'hidden':
      return '(not shown to you)'
  }
}

/** `Ana asks to delete on shop-db`: one sentence that names everybody. */
export function sentence(request: AccessRequest): string {
  const who =
    request.sponsor === undefined
      ? oneLine(request.requester)
      : `${oneLine(request.requester)} (for ${oneLine(request.sponsor)})`
  const verbs = request.verbs.join(' and ')
  const on = oneLine(request.resource)
  switch (request.subject.kind) {
    case 'statement':
      return request.subject.run === undefined
        ? `${who} asks to run one statement on ${on}: ${verbs}`
        : `${who} asks for a run on ${on}, which begins with one statement: ${verbs}`
    case 'connect':
      return `${who} asks to open a session on ${on}`
    case 'window':
      return `${who} asks for ${oneLine(request.subject.length)} of ${verbs} on ${on}${request.subject.credential === true ? ', with a credential of their own' : ''}`
    case 'extension':
      return `${who} asks for ${oneLine(request.subject.length)} more on ${on} (${oneLine(request.subject.of)})`
    case 'change':
      return `${who} proposes a change of policy, profiles or teams`
    case 'hidden':
      return `${who} asks to ${verbs} on ${on}`
  }
}

/** What became of it: `denied by mia: not on a Friday`. */
export function stateWords(request: AccessRequest): string {
  const { outcome, state, grant } = request
  const by = outcome?.by === undefined ? '' : ` by ${oneLine(outcome.by)}`
  const said = outcome?.words ?? outcome?.why
  const words = said === undefined ? '' : `: ${oneLine(said)}`
  if (state === 'approved') {
    const approvers = request.reviews.filter((one) => one.verdict === 'approve').map((one) => oneLine(one.by))
    const people = approvers.length === 0 ? '' : ` by ${approvers.join(' and ')}`
    return `approved${people}${grant === undefined || grant.state === 'active' ? '' : `; access ${grant.state}${grant.why === undefined ? '' : ` (${grant.why})`}`}`
  }
  // `withdrawn by sam` is a whole answer already.
  if (by === '' && said?.startsWith(`${state} `) === true) return oneLine(said)
  return `${state}${by}${words}`
}

/** Who was asked for one place of it, and whom an escalation has added. */
export const askedIn = (
  request: AccessRequest,
  { key, eligible }: AccessRequest['requirements'][number],
): readonly string[] => {
  const added = (request.escalations ?? []).filter((one) => one.key === key && one.done !== undefined)
  return [...new Set([...eligible, ...added.flatMap((one) => one.eligible)])]
}

/** Approvals so far over approvals needed: `1/2`. */
export function reviewsCount(request: AccessRequest): string {
  const needed = request.requirements.reduce((sum, one) => sum + one.count, 0)
  return `${request.reviews.filter((one) => one.verdict === 'approve').length}/${needed}`
}
