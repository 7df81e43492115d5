import { z } from 'zod'
import { Cursor, Limit, Name, Time } from './scalars.ts'

/** One change of state. Events are these entries, as they come. */
export const RecordEntry = z
  .object({
    cursor: z.string(),
    at: Time,
    kind: z.string().meta({ examples: ['request.opened'] }),
    subject: z.string().meta({ examples: ['request/HP-142'] }),
    actor: z.string().optional(),
    resource: z.string().optional(),
    body: z.record(z.string(), z.unknown()),
    index: z.int().optional().meta({ description: 'In the ledger, a moment after it was written' }),
  })
  .meta({ id: 'RecordEntry' })

/** `next` stands at the end too: ask again with it for what came since. */
export const RecordPage = z.object({ items: z.array(RecordEntry), next: z.string().optional() })

const Subject = z
  .string()
  .max(128)
  .regex(/^[a-z_]+(?:\/[A-Za-z0-9._-]+){0,2}$/, 'must be a subject such as request/HP-142')
export const RecordQuery = z.object({
  cursor: Cursor.optional(),
  resource: Name.optional(),
  subject: Subject.optional(),
  limit: Limit.optional(),
  /** So many of the newest, oldest first among them; instead of `cursor` and `limit`. */
  last: Limit.optional(),
})
export const EventsQuery = z.object({ after: Cursor.optional(), resource: Name.optional() })

export const Info = z
  .object({
    name: z.literal('holdpoint'),
    version: z.string(),
    api: z.literal('v1'),
    /** The demo world: its cast may be taken on with `--as`. */
    demo: z.boolean(),
    setupNeeded: z.boolean(),
    gateway: z.object({ host: z.string(), port: z.int() }).optional(),
    now: Time,
  })
  .meta({ id: 'Info' })
