import { z } from 'zod'
import { END_REASONS } from '../domain/grant/grant.ts'
import { SCOPES } from '../domain/policy/decision.ts'
import {
  AnyVerb,
  Cursor,
  DigestText,
  Duration,
  DurationText,
  Limit,
  Name,
  NamedVerbs,
  RequestIdText,
  RevisionNumber,
  Time,
  Words,
  pageOf,
} from './scalars.ts'

const Facts = z.object({
  resource: z.string(),
  verb: AnyVerb,
  facts: z.object({
    sql: z
      .object({
        statements: z.array(z.string()),
        tables: z.array(z.string()),
        columns: z.array(z.string()),
        hasWhere: z.boolean(),
        functions: z.array(z.string()),
      })
      .optional(),
    estimate: z
      .object({
        rows: z.number(),
        cost: z.number(),
        cascades: z.array(z.object({ table: z.string(), does: z.enum(['deletes', 'updates']) })).optional(),
      })
      .optional(),
  }),
})

const RowCap = z
  .object({
    rows: z.int().optional(),
    needsNumber: z.literal(true).optional().meta({ description: 'Every approval must say `rowsAtMost`' }),
  })
  .meta({ description: 'How many rows it may touch, cascades and triggers counted. More roll it back' })

export const Subject = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('statement'),
      /** Whole, never cut. Show control, bidirectional and invisible characters escaped. */
      text: z.string(),
      parameters: z.array(
        z.discriminatedUnion('kind', [
          z.object({ kind: z.literal('null') }),
          z.object({ kind: z.literal('text'), text: z.string() }),
          z.object({
            kind: z.literal('binary'),
            hex: z.string(),
            reads: z
              .object({ type: z.string(), text: z.string() })
              .optional()
              .meta({ description: 'What the bytes say, where the type is a common one' }),
          }),
          z.object({ kind: z.literal('masked'), bytes: z.int() }),
        ]),
      ),
      actions: z.array(Facts),
      state: z.object({
        database: z.string(),
        role: z.string(),
        searchPath: z.string(),
        encoding: z.string(),
        timeZone: z.string(),
        standardConformingStrings: z.boolean(),
        inTransaction: z.boolean(),
        temporaryObjects: z.array(z.string()),
        settings: z
          .record(z.string(), z.string())
          .optional()
          .meta({ description: 'Parameters that say how literals are read, what fires and where things are put' }),
      }),
      locks: z
        .object({
          held: z.array(z.object({ object: z.string(), mode: z.string() })),
          waiters: z.int(),
          waiting: z
            .array(
              z.object({
                pid: z.int(),
                user: z.string().optional(),
                application: z.string().optional(),
                database: z.string().optional(),
                forMs: z.int().optional(),
                statement: z.string().optional(),
              }),
            )
            .optional()
            .meta({ description: 'The longest waiting first, at most 20; statements without literals' }),
        })
        .optional(),
      run: z
        .array(AnyVerb)
        .optional()
        .meta({ description: 'A declared run: an approval lets the session go on with these verbs until it ends' }),
      notCovered: z.array(z.string()).meta({ description: 'What no digest can cover, told to the approver' }),
      uncapped: z.string().optional().meta({ description: 'Why no number of rows can be enforced on it' }),
    }),
    z.object({ kind: z.literal('connect'), database: z.string(), client: z.string(), sourceAddress: z.string() }),
    z.object({
      kind: z.literal('window'),
      verbs: z.array(AnyVerb),
      length: DurationText,
      credential: z
        .literal(true)
        .optional()
        .meta({ description: 'The requester is given a credential, and goes past the gateway with it' }),
    }),
    z.object({
      kind: z.literal('extension'),
      grant: z.string(),
      of: z.string(),
      verbs: z.array(AnyVerb),
      length: DurationText,
    }),
    z.object({ kind: z.literal('change'), base: RevisionNumber, summary: z.array(z.string()) }),
    /** The reader may know that the request exists and how it stands, and not what it says. */
    z.object({ kind: z.literal('hidden') }),
  ])
  .meta({ id: 'Subject', description: 'What was asked' })

export const Grant = z
  .object({
    id: z.string(),
    state: z.enum(['provisioning', 'active', 'ending', 'ended']),
    scope: z.enum(SCOPES),
    principal: z.string(),
    resource: z.string(),
    verbs: z.array(AnyVerb),
    session: z.string().optional(),
    role: z.string().optional().meta({ description: 'Made on the target for this grant alone' }),
    startsAt: Time,
    expiresAt: Time,
    /** With `ending` and `ended`: why, and since when. `ending` lasts until the target confirms. */
    why: z.enum(END_REASONS).optional(),
    at: Time.optional(),
  })
  .meta({ id: 'Grant', description: 'Authority in time: what an approved request yields' })

const Review = z.object({
  by: z.string(),
  for: z.string().optional().meta({ description: 'In whose place' }),
  verdict: z.enum(['approve', 'deny']),
  digest: z.string(),
  at: Time,
  words: z.string().optional(),
  atMost: DurationText.optional(),
  rowsAtMost: z.int().optional(),
})

const Divergence = z.object({
  kind: z.enum(['more_rows', 'other_objects', 'over_cap', 'in_part', 'unknown']),
  words: z.string(),
})

/** The one run of what was approved, beside it. */
const Execution = z
  .object({
    state: z.enum(['ready', 'started', 'succeeded', 'failed', 'unknown']),
    approved: z.object({
      estimate: z.number().optional().meta({ description: 'Rows that the planner guessed' }),
      rowsAtMost: z.int().optional().meta({ description: 'Rows that were agreed to' }),
      objects: z.array(z.string()),
    }),
    done: z
      .object({
        rows: z.number().optional().meta({ description: 'As the client read it' }),
        touched: z
          .array(
            z.object({
              object: z.string(),
              within: z.array(z.string()),
              inserted: z.int(),
              updated: z.int(),
              deleted: z.int(),
            }),
          )
          .optional()
          .meta({ description: "By the target's own counters; absent where they could not be read" }),
        durationMicros: z.int().optional(),
        sqlstate: z.string().optional(),
        overCap: z.literal(true).optional().meta({ description: 'It would have touched this, and was rolled back' }),
        partly: z.literal(true).optional().meta({ description: 'It failed, and part of it may have been done' }),
      })
      .optional(),
  })
  .meta({ id: 'Execution', description: 'What was approved and what was done, side by side' })

const Afterwards = z
  .object({
    why: z.array(Divergence),
    asked: z.array(z.string()),
    dueAt: Time,
    acknowledged: z.object({ by: z.string(), words: z.string().optional(), at: Time }).optional(),
  })
  .meta({ id: 'ReviewAfterwards', description: 'What was done differs from what was approved: somebody must look' })

const Requirement = z.object({
  key: z.string().meta({ examples: ['team:payments'] }),
  count: z.int(),
  distinct: z.boolean(),
  rules: z.array(z.string()),
  /** As it stood when the request was opened. */
  eligible: z.array(z.string()),
  climbedFrom: z.string().optional(),
})

const May = z.union([
  z.object({ allowed: z.literal(true) }),
  z.object({ allowed: z.literal(false), code: z.string(), title: z.string(), hint: z.string().optional() }),
])

export const STATES = ['pending', 'approved', 'denied', 'withdrawn', 'expired', 'voided'] as const

export const AccessRequest = z
  .object({
    id: z.string(),
    url: z.string(),
    state: z.enum(STATES),
    /** Absent while pending. `by` and `words` with `denied`; `why` with `withdrawn` and `voided`. */
    outcome: z
      .object({ at: Time, by: z.string().optional(), words: z.string().optional(), why: z.string().optional() })
      .optional(),
    requester: z.string(),
    sponsor: z.string().optional(),
    resource: z.string(),
    verbs: z.array(AnyVerb),
    subject: Subject,
    /** A review names the digest it was shown; another one is refused with `changed`. */
    digest: z.string(),
    cause: z.string(),
    rules: z.array(z.string()),
    failures: z.array(z.object({ rule: z.string(), message: z.string() })),
    requirements: z.array(Requirement),
    nudge: z.object({ at: Time, done: Time.optional() }).optional().meta({
      description: 'When those who were asked are reminded, and were',
    }),
    escalations: z
      .array(z.object({ key: z.string(), at: Time, eligible: z.array(z.string()), done: Time.optional() }))
      .optional()
      .meta({ description: 'Who else may answer, from `done` on; fixed when it was opened' }),
    standIns: z
      .array(z.object({ person: z.string(), for: z.string(), until: Time }))
      .optional()
      .meta({ description: 'Who answers in whose place' }),
    /** Why those who may answer can never meet the requirements; only while it is pending. */
    unanswerable: z.string().optional(),
    recording: z.enum(['standard', 'full']),
    scope: z.enum(SCOPES),
    grantAtMost: DurationText,
    rowCap: RowCap.optional(),
    revision: RevisionNumber,
    reason: z.string().optional(),
    session: z.string().optional(),
    openedAt: Time,
    expiresAt: Time,
    reviews: z.array(Review),
    grant: Grant.optional(),
    execution: Execution.optional(),
    afterwards: Afterwards.optional(),
    /** What the reader may do, and why not. */
    may: z.object({
      approve: May,
      deny: May,
      withdraw: May,
      retry: May,
      extend: May,
      done: May,
      revoke: May,
      acknowledge: May,
    }),
  })
  .meta({ id: 'AccessRequest', description: 'An action, or a window of actions, and what people said to it' })

export const Requests = pageOf(AccessRequest)
export const Inbox = z
  .object({
    needsMe: z.array(AccessRequest),
    waiting: z.array(AccessRequest),
    granted: z.array(AccessRequest),
    afterwards: z.array(AccessRequest),
  })
  .meta({
    id: 'Inbox',
    description:
      'What waits for the caller, what of theirs waits for others, what they hold, and what they must look at',
  })

export const RequestParam = z.object({ id: RequestIdText })
export const RequestsQuery = z.object({
  state: z.enum(STATES).optional(),
  resource: Name.optional(),
  requester: Name.optional(),
  cursor: Cursor.optional(),
  limit: Limit.optional(),
})

export const WindowInput = z
  .strictObject({
    resource: Name,
    verbs: NamedVerbs,
    for: Duration,
    reason: Words.optional(),
    credential: z
      .boolean()
      .optional()
      .meta({ description: 'To be given a credential for the role of the grant, where the profile allows it' }),
  })
  .meta({ id: 'WindowInput', description: 'Asks for a window: its clock starts when it is approved' })

export const Credential = z
  .object({
    user: z.string(),
    password: z.string(),
    host: z.string(),
    port: z.int(),
    database: z.string(),
    sslmode: z.string(),
    until: Time,
  })
  .meta({ id: 'Credential', description: 'Shown once: to sign in to the target with, past the gateway' })

export const ReviewInput = z
  .strictObject({
    verdict: z.enum(['approve', 'deny']),
    digest: DigestText,
    /** A denial needs them; the requester reads them. */
    words: Words.optional(),
    /** A shorter time than policy would give. */
    atMost: Duration.optional(),
    /** Fewer rows than policy would let it touch; more roll it back. */
    rowsAtMost: z.int().min(1).optional(),
  })
  .meta({ id: 'ReviewInput' })
export const AcknowledgeInput = z.strictObject({ words: Words }).meta({ id: 'AcknowledgeInput' })

export const ExtendInput = z.strictObject({ for: Duration, reason: Words.optional() }).meta({ id: 'ExtendInput' })
export const RevokeInput = z.strictObject({ words: Words.optional() }).meta({ id: 'RevokeInput' })
/** Nothing to say: an empty object, or no body at all. */
export const Nothing = z.strictObject({})
