import { z } from 'zod'
import { CLOSE_REASONS } from '../domain/session/session.ts'
import { AnyVerb, Cursor, Flag, Limit, Name, Time, pageOf } from './scalars.ts'

export const Session = z
  .object({
    id: z.string(),
    state: z.enum(['open', 'closed']),
    principal: z.string(),
    resource: z.string(),
    database: z.string(),
    client: z.string(),
    sourceAddress: z.string(),
    openedAt: Time,
    expiresAt: Time.optional(),
    backend: z.object({ pid: z.int(), startedAt: z.string() }).optional(),
    why: z.enum(CLOSE_REASONS).optional(),
    closedAt: Time.optional(),
  })
  .meta({ id: 'Session', description: 'One client connection through a gateway' })
export const Sessions = pageOf(Session)
export const SessionsQuery = z.object({
  open: Flag.optional(),
  resource: Name.optional(),
  cursor: Cursor.optional(),
  limit: Limit.optional(),
})

export const Statement = z
  .object({
    session: z.string(),
    number: z.int(),
    at: Time,
    verbs: z.array(AnyVerb),
    decision: z.enum(['allow', 'hold', 'deny']),
    rules: z.array(z.string()),
    request: z.string().optional(),
    /** Whole with `record: full`, otherwise with literals replaced by `?`; secrets masked in both. */
    text: z.string(),
    objects: z.array(z.string()),
    rows: z.number().optional(),
    durationMicros: z.number(),
    outcome: z.enum(['started', 'succeeded', 'failed', 'refused', 'withdrawn', 'cut']),
    sqlstate: z.string().optional(),
  })
  .meta({ id: 'Statement', description: 'One line of the statement record' })
export const Statements = pageOf(Statement)
export const Replay = pageOf(Statement.extend({ afterMs: z.int() })).extend({ session: Session })
export const PageQuery = z.object({ cursor: Cursor.optional(), limit: Limit.optional() })
export const CursorQuery = z.object({ cursor: Cursor.optional() })
