/**
 * What an expression can see. One declaration: the checker is built from it, the views in views.ts must
 * satisfy it, and docs/policy-fields.md is generated from it.
 */
export type FieldType =
  | 'string'
  | 'int'
  | 'double'
  | 'bool'
  | 'list<string>'
  | 'map<string, string>'
  | 'google.protobuf.Timestamp'
  | ViewName
  | 'list<Owner>'

export interface Field {
  readonly type: FieldType
  /** May be unknown. Reading it then fails the expression; ask with `has(...)` first. */
  readonly optional?: true
  readonly about: string
}

export type ViewName = 'Principal' | 'Resource' | 'Owner' | 'Audit' | 'Action' | 'Sql' | 'Estimate' | 'Context'

export const FIELDS = {
  Principal: {
    id: { type: 'string', about: 'The name of who acts.' },
    kind: { type: 'string', about: '`user`, `service` or `agent`.' },
    teams: { type: 'list<string>', about: 'Teams they are a member of, sorted.' },
    sponsor: { type: 'string', optional: true, about: 'The user an agent acts for. Nobody else has one.' },
  },
  Resource: {
    name: { type: 'string', about: 'The name of the resource.' },
    type: { type: 'string', about: '`postgres`.' },
    env: { type: 'string', optional: true, about: 'As the profile says: `prod`.' },
    classification: {
      type: 'string',
      about: '`public`, `internal`, `confidential` or `restricted`. An incomplete profile is `restricted`.',
    },
    criticality: { type: 'string', optional: true, about: '`tier-1` (the most critical) to `tier-4`.' },
    purpose: { type: 'string', optional: true, about: 'The sentence of the profile.' },
    compliance: { type: 'list<string>', about: 'Regimes it is in scope of: `pci-dss`.' },
    owners: { type: 'list<Owner>', about: 'Its ownership layers, in the order of the profile.' },
    labels: { type: 'map<string, string>', about: 'Labels. Ask with `"key" in resource.labels` first.' },
    incomplete: { type: 'bool', about: 'It has no owner or no classification.' },
    audit: {
      type: 'Audit',
      optional: true,
      about: 'Its last audit. Unknown when the profile names none, or one in the future.',
    },
  },
  Owner: {
    layer: { type: 'string', about: 'The name of the layer: `service`.' },
    team: { type: 'string', about: 'The team that owns it.' },
    decides: { type: 'list<string>', about: 'The verbs it decides.' },
  },
  Audit: {
    ageDays: { type: 'int', about: 'Whole days since the last audit.' },
    overdue: { type: 'bool', about: 'It is older than the profile allows.' },
  },
  Action: {
    verb: { type: 'string', about: 'The verb, `unknown` included.' },
    sql: {
      type: 'Sql',
      optional: true,
      about: 'The statement. For `connect` everything in it is empty: no statement was sent.',
    },
    estimate: { type: 'Estimate', optional: true, about: "The planner's guess. Unknown for what was not planned." },
  },
  Sql: {
    statements: { type: 'list<string>', about: 'Command tags, nested ones included: `DELETE`, `DROP DATABASE`.' },
    tables: { type: 'list<string>', about: '`schema.table` where the schema is known.' },
    columns: { type: 'list<string>', about: 'Columns that are named.' },
    hasWhere: { type: 'bool', about: 'False when an UPDATE or DELETE anywhere in it has no WHERE.' },
    functions: { type: 'list<string>', about: 'Functions that are called.' },
  },
  Estimate: {
    rows: { type: 'int', about: 'Rows, rounded up.' },
    cost: { type: 'double', about: "The planner's cost units." },
  },
  Context: {
    now: { type: 'google.protobuf.Timestamp', about: "The time by the database's clock." },
    weekday: { type: 'string', about: "`monday` to `sunday`, in the resource's time zone." },
    hour: { type: 'int', about: "0 to 23, in the resource's time zone." },
    sourceAddress: { type: 'string', about: "The client's address." },
    sessionStatements: { type: 'int', about: 'Statements already run in this session.' },
  },
} as const satisfies Record<ViewName, Readonly<Record<string, Field>>>

/** The variables of every expression. */
export const VARIABLES = {
  principal: 'Principal',
  resource: 'Resource',
  action: 'Action',
  context: 'Context',
} as const satisfies Record<string, ViewName>

/** What policy will see later. Named here so that a rule that counts on one is told so, and not just that it is unknown. */
export const LATER_FIELDS: Readonly<Record<string, string>> = {
  'principal.oncall': 'who is on call',
  'principal.mfaAge': 'the age of the second factor',
  'resource.oncall': 'who is on call',
  'resource.risk': 'risk factors',
  'resource.parent': 'parents of resources',
  'action.data': 'tags of tables and columns',
  'action.kubernetes': 'Kubernetes calls',
  'action.ssh': 'SSH commands',
  'action.http': 'HTTP calls',
  'action.params': 'runbook parameters',
  'context.incidents': 'incidents',
  'context.freeze': 'change freezes',
}

interface TypeOf {
  readonly string: string
  readonly int: bigint
  readonly double: number
  readonly bool: boolean
  readonly 'list<string>': readonly string[]
  readonly 'map<string, string>': Readonly<Record<string, string>>
  readonly 'google.protobuf.Timestamp': Date
  readonly 'list<Owner>': readonly View<'Owner'>[]
}
type Value<T extends FieldType> = T extends keyof TypeOf ? TypeOf[T] : T extends ViewName ? View<T> : never
/** The shape that a view must have to be what FIELDS promises. */
export type View<N extends ViewName> = {
  readonly [K in keyof (typeof FIELDS)[N]]: (typeof FIELDS)[N][K] extends {
    readonly type: infer T extends FieldType
    readonly optional: true
  }
    ? Value<T> | undefined
    : (typeof FIELDS)[N][K] extends { readonly type: infer T extends FieldType }
      ? Value<T>
      : never
}

/** The declared field at `path` (`action.estimate.rows`), following named types; undefined when there is none. Maps end the walk. */
export function fieldAt(path: readonly string[]): Field | undefined {
  const [root, ...rest] = path
  let view: string | undefined =
    root === undefined ? undefined : (VARIABLES as Readonly<Record<string, ViewName>>)[root]
  let field: Field | undefined
  for (const name of rest) {
    if (field?.type === 'map<string, string>') return field
    const fields: Readonly<Record<string, Field>> | undefined = (
      FIELDS as Readonly<Record<string, Readonly<Record<string, Field>>>>
    )[view ?? '']
    field = fields !== undefined && Object.hasOwn(fields, name) ? fields[name] : undefined
    if (field === undefined) return undefined
    view = field.type
  }
  return field
}
