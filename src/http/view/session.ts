import type { z } from 'zod'
import type { RecordedEntry } from '../../app/ports/store.ts'
import type { RecordEntry } from '../../contract/record.ts'
import type * as contract from '../../contract/sessions.ts'
import type { Session, StatementEntry } from '../../domain/session/session.ts'
import { present, time } from './scalars.ts'

export const sessionView = (session: Session): z.output<typeof contract.Session> =>
  present({
    id: session.id,
    state: session.state,
    principal: session.principal,
    resource: session.resource,
    database: session.database,
    client: session.client,
    sourceAddress: session.sourceAddress,
    openedAt: time(session.openedAt),
    expiresAt: session.expiresAt === undefined ? undefined : time(session.expiresAt),
    backend: session.backend,
    why: session.state === 'closed' ? session.why : undefined,
    closedAt: session.state === 'closed' ? time(session.at) : undefined,
  })

export const statementView = (entry: StatementEntry): z.output<typeof contract.Statement> =>
  present({
    session: entry.session,
    number: entry.number,
    at: time(entry.at),
    verbs: [...entry.verbs],
    decision: entry.decision,
    rules: [...entry.rules],
    request: entry.request,
    text: entry.text,
    objects: [...entry.objects],
    rows: entry.rows,
    durationMicros: entry.durationMicros,
    outcome: entry.outcome,
    sqlstate: entry.sqlstate,
  })

export const entryView = (entry: RecordedEntry): z.output<typeof RecordEntry> =>
  present({
    cursor: entry.cursor,
    at: time(entry.at),
    kind: entry.kind,
    subject: entry.subject,
    actor: entry.actor,
    resource: entry.resource,
    body: { ...entry.body },
    index: entry.index,
  })
