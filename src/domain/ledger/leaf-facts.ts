import type { Entry } from './entry.ts'

/*
 * What stands in a leaf for everybody who holds the log, by kind of entry: the fields an auditor needs to follow a
 * request from its opening to the proven end of its grant. Names and numbers that the program makes, never what
 * somebody typed: words, objects and addresses stay in the body, which can be erased. A field that the body does not
 * have is left out.
 */
const words = (text: string): readonly string[] => text.split(' ')
const SETTLED = words('request digest revision grant by')
const GRANT = words(
  'grant request principal digest scope verbs rowsAtMost session role revision startsAt expiresAt why',
)
const EXECUTION = words('request digest session rows sqlstate touched overCap partly')
const DECISION = words('session verbs decision cause rules revision')

const FACTS: Readonly<Record<string, readonly string[]>> = {
  'request.opened': [
    ...DECISION,
    ...words('request digest kind requester sponsor requirements scope rowCap expiresAt'),
  ],
  'review.given': words('request digest verdict for atMost rowsAtMost'),
  'request.nudged': words('request digest'),
  'request.escalated': words('request digest requirement to at revision'),
  'request.handed_on': words('request digest for to until'),
  'delegation.made': words('person to until'),
  'delegation.ended': words('person'),
  'request.approved': SETTLED,
  'request.denied': SETTLED,
  'request.withdrawn': SETTLED,
  'request.expired': SETTLED,
  'request.voided': SETTLED,
  'grant.provisioning': GRANT,
  'grant.active': GRANT,
  'grant.extended': GRANT,
  'grant.ending': GRANT,
  'grant.ended': GRANT,
  'grant.words': words('grant'),
  'role.made': words('grant role until'),
  'role.failed': words('grant role'),
  'role.signed_in': words('grant role session'),
  'role.given': words('grant role principal'),
  'role.gone': words('grant role foreign'),
  'leftover.found': words('grant role'),
  'leftover.removed': words('grant role'),
  'leftover.revoked': words('role'),
  'leftover.adopted': words('role until'),
  'leftover.ignored': words('role'),
  'execution.started': EXECUTION,
  'execution.succeeded': EXECUTION,
  'execution.failed': EXECUTION,
  'execution.unknown': EXECUTION,
  'commit.refused': words('request session why'),
  'review.due': words('request asked dueAt'),
  'review.acknowledged': words('request'),
  'session.opened': words('session principal decision cause rules revision expiresAt'),
  'session.closed': words('session principal why'),
  'session.cut': words('session principal'),
  'segment.written': words('session first last count digest'),
  'statements.lost': words('count'),
  'access.denied': DECISION,
  'exception.waived': [...DECISION, 'waived', 'reviewDue'],
  'access.refused': words('count'),
  'revision.applied': words('revision base documents digest unreviewed request approvedBy'),
  'profile.changed': words('revision kind name change digest'),
  'account.created': words('kind roles setup'),
  'account.changed': words('roles disabled'),
  'token.issued': words('principal token kind scopes expiresAt'),
  'token.revoked': words('principal token'),
  'secret.set': words('name key'),
  'secret.deleted': words('name'),
  'store.backed_up': words('entries ledger'),
  'store.restored': words('backupAt entries ledger'),
  'store.reconciled': words('backupAt stage'),
  /** `index` is the leaf whose body is gone, `commitment` what it was bound to. */
  'body.erased': words('index commitment'),
  /** A signing key came into use or went out of it : both as verifier keys of notes. */
  'key.rotated': words('key previous'),
}

/** What any other kind may show: ids, digests and times, where they are plain values. */
const COMMON = words('request grant session digest revision principal role state expiresAt')

/** The structural fields of an entry, for its leaf. */
export function leafFacts(entry: Pick<Entry, 'kind' | 'body'>): Readonly<Record<string, unknown>> {
  const listed = Object.hasOwn(FACTS, entry.kind) ? FACTS[entry.kind] : undefined
  const facts: Record<string, unknown> = {}
  for (const name of listed ?? COMMON) {
    const value = Object.hasOwn(entry.body, name) ? entry.body[name] : undefined
    if (value === undefined || (listed === undefined && typeof value === 'object')) continue
    facts[name] = value
  }
  return facts
}
