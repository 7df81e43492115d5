import { z } from 'zod'
import { ACCESS, CLASSIFICATIONS, CRITICALITIES } from '../profile/profile.ts'
import { isTimezone } from './local-time.ts'
import { DURATION, parseDuration } from '../time.ts'
import { NAMED_VERBS } from '../verb.ts'
import { SCOPES } from './decision.ts'
import { MOST_ROWS, parseFactor } from './row-cap.ts'

/** The kinds of documents that people write. */
export const KINDS = ['Resource', 'Rule', 'Team', 'Test', 'Settings'] as const
export type Kind = (typeof KINDS)[number]

const NAME = '[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?'
const name = z
  .string()
  .regex(new RegExp(`^${NAME}$`), "1 to 63 of a-z, 0-9, '.', '_' or '-', starting and ending with a letter or digit")
const word = z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,62})$/, 'a word of ASCII letters, digits, . _ / or -')
const text = (longest: number): z.ZodString => z.string().min(1).max(longest)
const duration = z
  .string()
  .regex(DURATION, 'a time such as 90s, 15m, 8h or 90d')
  .refine((value) => parseDuration(value) !== undefined, 'a time over zero and at most ten years')
const verb = z.enum(NAMED_VERBS as [(typeof NAMED_VERBS)[number], ...(typeof NAMED_VERBS)[number][]])
const oneOrMore = <T extends z.ZodType>(item: T): z.ZodUnion<[T, z.ZodArray<T>]> =>
  z.union([item, z.array(item).min(1).max(64)])
const record = z.enum(['standard', 'full'])

const credential = z.discriminatedUnion('from', [
  z.strictObject({
    from: z.literal('env'),
    name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'the name of an environment variable'),
  }),
  z.strictObject({
    from: z.literal('file'),
    path: z
      .string()
      .max(1024)
      .regex(/^\/(?!(?:.*\/)?\.\.(?:\/|$))[^\0]+$/, 'an absolute path without ..'),
  }),
  z.strictObject({ from: z.literal('secret'), name }),
])

/** When the statement record is written: before the results are shown, or up to a second later. */
const statements = z.enum(['sync', 'async'])

const resource = z.strictObject({
  kind: z.literal('Resource'),
  name,
  type: z.literal('postgres').optional().describe('Inferred from connect when left out.'),
  connect: text(1024).describe('postgres://user@host:5432/database?sslmode=require. Never holds a password.'),
  credential: credential.optional().describe('Where the password of the target comes from.'),
  access: z
    .enum(ACCESS)
    .optional()
    .describe('ephemeral: each grant is a role of its own on the target. standing when left out.'),
  directCredential: z
    .boolean()
    .optional()
    .describe('With access: ephemeral, a window may come with a credential for its role, to be used past the gateway.'),
  env: word.optional(),
  classification: z.enum(CLASSIFICATIONS).optional(),
  criticality: z.enum(CRITICALITIES).optional(),
  purpose: text(500).optional(),
  compliance: z.array(word).max(32).optional(),
  owners: z
    .array(z.strictObject({ layer: name, team: name, decides: z.array(verb).max(NAMED_VERBS.length).default([]) }))
    .max(16)
    .optional()
    .describe('Ownership layers; each says which verbs it decides. A verb that none decides belongs to the first.'),
  audit: z
    .union([
      statements,
      z.strictObject({ last: z.iso.date(), every: duration, statements: statements.optional() }),
      z.strictObject({ statements }),
    ])
    .optional()
    .describe(
      'Its last audit, a fact that rules read as resource.audit; and whether results wait until the statement record holds what ran (sync) or not (async, the default).',
    ),
  labels: z
    .record(
      z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126})$/, 'a label key of ASCII letters, digits, . _ / or -'),
      z.string().max(256),
    )
    .optional(),
  timezone: z.string().refine(isTimezone, 'an IANA time zone such as Europe/Vienna').optional(),
})

const on = z.strictObject({
  env: oneOrMore(word).optional(),
  verbs: oneOrMore(verb).optional(),
  classification: oneOrMore(z.enum(CLASSIFICATIONS)).optional(),
  criticality: oneOrMore(z.enum(CRITICALITIES)).optional(),
  type: oneOrMore(z.literal('postgres')).optional(),
  resource: oneOrMore(name).optional(),
  compliance: oneOrMore(word).optional().describe('Matches when the resource is in scope of any of them.'),
  principal: oneOrMore(z.enum(['user', 'service', 'agent'])).optional(),
  team: oneOrMore(name).optional().describe('Matches when the principal is a member of any of them.'),
})

const review = z.strictObject({
  from: z
    .string()
    .regex(
      new RegExp(`^(?:owners|sponsor|owners:${NAME}|team:${NAME}|user:${NAME})$`),
      'owners, owners:LAYER, team:NAME, user:NAME or sponsor',
    ),
  count: z.int().min(1).max(20).optional(),
  distinct: z.boolean().optional().describe('False lets one person fill a place here and one elsewhere.'),
})

const escalation = z.strictObject({
  after: duration.describe('How long after it was asked.'),
  to: z
    .string()
    .regex(
      new RegExp(`^(?:owners|owners:${NAME}|team:${NAME}|user:${NAME})$`),
      'owners, owners:LAYER, team:NAME or user:NAME',
    ),
})
const escalate = z.union([escalation, z.array(escalation).min(1).max(4)])

const hold = z.strictObject({
  reviews: z.array(review).min(1).max(16),
  timeout: duration.optional().describe('How long a request waits. The shortest of all matching holds counts.'),
  nudge: duration
    .optional()
    .describe('When those who may answer are reminded. The shortest of all matching holds counts.'),
  escalate: escalate
    .optional()
    .describe(
      'Who else may answer once nobody has for so long. Counts where every rule that asks the same people says so.',
    ),
  scope: z.enum(SCOPES).optional().describe('The widest scope an approval may have. Left out, it narrows nothing.'),
  grantAtMost: duration.optional(),
  reason: z.literal('required').optional(),
  rowCap: z
    .union([
      z.int().min(1).max(MOST_ROWS),
      z
        .string()
        .regex(
          /^[0-9]{1,3}(?:\.[0-9]{1,2})?x$/,
          'a number of rows such as 500, or a multiple of the estimate such as 1.5x',
        )
        .refine((value) => parseFactor(value) !== undefined, 'a multiple of at least 1x'),
    ])
    .optional()
    .describe('Rows that an approved change may touch. More roll it back. The fewest of all matching holds count.'),
  record: record.optional(),
})
const allow = z.strictObject({
  sessionAtMost: duration.optional(),
  for: duration.optional(),
  rowsAtMost: z
    .int()
    .min(1)
    .max(MOST_ROWS)
    .optional()
    .describe('Rows that one run may return. More are an export: decided as one, or stopped.'),
  waives: z
    .array(name)
    .min(1)
    .max(64)
    .optional()
    .describe('Holds that this allow sets aside: an exception. Needs reviewAfter.'),
  reviewAfter: duration.optional(),
  record: record.optional(),
})

const rule = z
  .strictObject({
    kind: z.literal('Rule'),
    name,
    on: on.optional(),
    when: text(4096).optional().describe('A CEL expression that must be exactly true. See docs/policy-fields.md.'),
    deny: text(500).optional().describe('What the requester reads.'),
    hold: hold.optional(),
    allow: allow.optional(),
  })
  .meta({ oneOf: [{ required: ['deny'] }, { required: ['hold'] }, { required: ['allow'] }] })

const team = z.strictObject({ kind: z.literal('Team'), name, members: z.array(name).max(1000), lead: name.optional() })

const test = z.strictObject({
  kind: z.literal('Test'),
  name: text(200),
  given: z.strictObject({
    principal: name,
    resource: name,
    sql: text(20_000).optional(),
    verb: verb.optional(),
    estimate: z.strictObject({ rows: z.int().min(0), cost: z.int().min(0).optional() }).optional(),
    at: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('The time, with its zone. 2026-01-05T12:00:00Z (a Monday) when left out.'),
  }),
  expect: z.strictObject({
    decision: z.enum(['allow', 'hold', 'deny']),
    verb: verb.or(z.literal('unknown')).optional(),
    rules: z.array(name).max(64).optional(),
    reviewers: z.array(name).max(1000).optional(),
    scope: z.enum(SCOPES).optional(),
  }),
})

const settings = z.strictObject({
  kind: z.literal('Settings'),
  default: z.enum(['hold', 'deny']).optional().describe('When nothing matched. hold (by the owners) when left out.'),
  security: name.optional().describe('The team that everything in doubt goes to. security when left out.'),
  timeout: duration.optional().describe('How long a request waits when no rule says. 15m when left out.'),
  nudge: duration.optional().describe('When those who may answer are reminded, when no rule says. 5m when left out.'),
  escalate: escalate
    .optional()
    .describe('Who else may answer, and when, where a rule does not say. Nobody when left out.'),
  grantAtMost: z
    .strictObject({ once: duration.optional(), session: duration.optional(), window: duration.optional() })
    .optional()
    .describe('How long a grant lasts at most when no rule says: once 15m, session 1h, window 1h.'),
})

export const SCHEMAS = {
  Resource: resource,
  Rule: rule,
  Team: team,
  Test: test,
  Settings: settings,
} as const satisfies Record<Kind, z.ZodType>

export type EscalationBody = z.infer<typeof escalate>
export type ResourceBody = z.infer<typeof resource>
export type RuleBody = z.infer<typeof rule>
export type TeamBody = z.infer<typeof team>
export type TestBody = z.infer<typeof test>
export type SettingsBody = z.infer<typeof settings>
export interface Bodies {
  readonly Resource: ResourceBody
  readonly Rule: RuleBody
  readonly Team: TeamBody
  readonly Test: TestBody
  readonly Settings: SettingsBody
}

/** JSON Schemas (2020-12) by kind, for editors. Generated from what the loader enforces. */
export function jsonSchemas(): Readonly<Record<Kind, Readonly<Record<string, unknown>>>> {
  const entries = KINDS.map((kind) => [
    kind,
    { ...z.toJSONSchema(SCHEMAS[kind], { io: 'input', unrepresentable: 'any' }), title: kind },
  ])
  return Object.fromEntries(entries) as Record<Kind, Record<string, unknown>>
}
