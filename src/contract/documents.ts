import { z } from 'zod'
import { NAMED_VERBS } from '../domain/verb.ts'
import { DurationText, Name, RevisionNumber, RevisionText, Time, Words, pageOf } from './scalars.ts'

export const Finding = z
  .object({
    severity: z.enum(['error', 'warning']),
    code: z.string(),
    message: z.string(),
    path: z.string().optional(),
    /** Counts from 1. */
    line: z.int().optional(),
    column: z.int().optional(),
  })
  .meta({ id: 'Finding', description: 'An error or a lint in a file' })

export const DocumentFile = z
  .strictObject({ path: z.string().min(1).max(1_024), text: z.string() })
  .meta({ id: 'DocumentFile' })
const Files = z.array(DocumentFile).max(2_000)

/** `prune` removes what the files do not name. */
export const DiffInput = z.strictObject({ files: Files, prune: z.boolean().default(false) }).meta({ id: 'DiffInput' })
/** `base` refuses with `stale_base` when another revision is in force. */
export const ApplyInput = z
  .strictObject({
    files: Files,
    prune: z.boolean().default(false),
    base: RevisionNumber.optional(),
    reason: Words.optional(),
  })
  .meta({ id: 'ApplyInput' })
/** Without `files`: the documents in force. */
export const CheckInput = z.strictObject({ files: Files.optional() }).meta({ id: 'CheckInput' })

export const DocumentChange = z
  .object({
    kind: z.string(),
    name: z.string(),
    change: z.enum(['added', 'changed', 'removed']),
    fields: z.array(z.object({ path: z.string(), before: z.string().optional(), after: z.string().optional() })),
  })
  .meta({ id: 'DocumentChange' })

export const Difference = z
  .object({ base: RevisionNumber, changes: z.array(DocumentChange), findings: z.array(Finding) })
  .meta({ id: 'Difference' })

export const Applied = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('unchanged'), revision: RevisionNumber }),
    z.object({
      kind: z.literal('applied'),
      revision: RevisionNumber,
      difference: Difference,
      notes: z.array(z.string()),
    }),
    z.object({ kind: z.literal('held'), request: z.string(), difference: Difference }),
  ])
  .meta({ id: 'Applied', description: '`held`: a second person must agree first' })

export const Findings = z.object({ findings: z.array(Finding) })
export const TestOutcome = z
  .object({
    name: z.string(),
    path: z.string().optional(),
    line: z.int().optional(),
    passed: z.boolean(),
    differences: z.array(z.string()),
  })
  .meta({ id: 'TestOutcome' })
export const TestReport = z
  .object({ tests: z.array(TestOutcome), passed: z.int(), failed: z.int() })
  .meta({ id: 'TestReport' })

export const Revisions = pageOf(
  z.object({ revision: RevisionNumber, at: Time, by: z.string(), summary: z.array(z.string()) }),
)
export const ExportQuery = z.object({ revision: RevisionText.optional() })
export const Exported = z.object({ revision: RevisionNumber, documents: z.array(z.record(z.string(), z.unknown())) })

export const ExplainInput = z
  .strictObject({
    as: Name,
    on: Name,
    sql: z.string().max(1_048_576).optional(),
    verb: z.string().max(32).optional(),
    estimate: z
      .strictObject({ rows: z.number().min(0).max(1e15), cost: z.number().min(0).max(1e18).optional() })
      .optional(),
    /** Now when left out. */
    at: Time.optional(),
  })
  .meta({ id: 'ExplainInput' })

export const Explained = z
  .object({
    /** One: the strongest of `verbs`. */
    verb: z.string(),
    verbs: z.array(z.string()),
    decision: z.enum(['allow', 'hold', 'deny']),
    rules: z.array(z.string()),
    reviews: z.array(z.object({ key: z.string(), count: z.int(), people: z.array(z.string()) })),
    cause: z.string(),
    message: z.string().optional(),
    trace: z.array(
      z.object({
        rule: z.string(),
        effect: z.enum(['deny', 'hold', 'allow']),
        matched: z.boolean(),
        path: z.string().optional(),
        line: z.int().optional(),
        clauses: z.array(z.object({ text: z.string(), holds: z.boolean(), saw: z.string() })),
        failed: z.string().optional(),
      }),
    ),
    flip: z.string().optional(),
    /** Given, or guessed by the target's planner; absent where no rule reads it. */
    estimate: z.object({ rows: z.number(), cost: z.number() }).optional(),
    rowCap: z
      .object({ rows: z.int().optional(), needsNumber: z.literal(true).optional() })
      .optional()
      .meta({ description: 'How many rows an approved statement may touch' }),
    rowsAtMost: z.int().optional().meta({ description: 'Rows that one run may return before it is an export' }),
    revision: RevisionNumber,
  })
  .meta({ id: 'Explained', description: 'The same decision as enforcement would make, with every rule it looked at' })

export const ExplainBatchInput = z
  .strictObject({ items: z.array(ExplainInput).min(1).max(1_000) })
  .meta({ id: 'ExplainBatchInput' })
/** In the order of `items`. */
export const ExplainedBatch = z.object({
  items: z.array(
    z.union([
      z.object({ ok: z.literal(true), explained: Explained }),
      z.object({ ok: z.literal(false), code: z.string(), title: z.string(), detail: z.string().optional() }),
    ]),
  ),
})

const Level = z.enum(['public', 'internal', 'confidential', 'restricted'])

export const Resource = z
  .object({
    name: z.string(),
    type: z.string(),
    /** Never holds a password. */
    target: z.object({ host: z.string(), port: z.int(), database: z.string(), user: z.string(), sslmode: z.string() }),
    env: z.string().optional(),
    classification: Level,
    criticality: z.string().optional(),
    purpose: z.string().optional(),
    compliance: z.array(z.string()),
    owners: z.array(z.object({ layer: z.string(), team: z.string(), decides: z.array(z.string()) })),
    audit: z.object({ last: z.string(), every: DurationText }).optional(),
    labels: z.record(z.string(), z.string()),
    timezone: z.string(),
    /** No owner or no classification: counts as restricted, and its requests go to the security team. */
    incomplete: z.boolean(),
    revision: RevisionNumber,
    openGrants: z.int(),
    pendingRequests: z.int(),
    clientLine: z.string().meta({ examples: ['psql "host=localhost port=7432 dbname=shop-db user=ana"'] }),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Resource' })
export const Resources = z.object({ items: z.array(Resource) })

export const SetupQuery = z.object({
  verbs: z
    .string()
    .regex(/^[a-z]{2,16}(?:,[a-z]{2,16}){0,15}$/, 'must be verbs, separated by commas')
    .transform((text, context) => {
      const verbs = NAMED_VERBS.filter((verb) => text.split(',').includes(verb))
      if (new Set(text.split(',')).size !== verbs.length)
        context.addIssue({ code: 'custom', message: 'must name verbs that there are' })
      return verbs
    })
    .optional(),
})
export const TargetSetup = z
  .object({
    role: z.string(),
    verbs: z.array(z.enum(NAMED_VERBS)),
    sql: z.string().meta({ description: 'For psql. Never holds a password' }),
    notes: z.array(z.string()),
  })
  .meta({ id: 'TargetSetup', description: 'How Holdpoint would be given an account of its own on the target' })

export const Teams = z.object({
  items: z.array(z.object({ name: z.string(), members: z.array(z.string()), lead: z.string().optional() })),
})
