import { KINDS, type Kind } from './schema.ts'

/**
 * What people may know from elsewhere, or from a later version, and this one does not enforce. It is refused when it
 * is loaded: nothing that looks like protection may be silently ignored.
 */
const LATER_KEYS: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  Resource: {
    parent: 'inheriting from a parent resource',
    data: 'classifying tables and columns inside a resource',
    dependsOn: 'dependencies between resources',
    oncall: 'asking who is on call',
    mode: 'observe mode',
    risk: 'risk factors',
    'credential.from=vault': 'reading credentials from a vault',
    rowCap: 'capping rows',
  },
  Rule: {
    mode: 'observe mode',
    until: 'ending with an incident',
    'allow.until': 'ending with an incident',
    'allow.rowCap': 'capping the rows of what is allowed without a review',
    'hold.rowsAtMost': 'capping the rows of a held read',
    'hold.until': 'ending with an incident',
    'hold.reviews.from=oncall': 'asking who is on call',
    'on.oncall': 'asking who is on call',
  },
  Team: {
    parent: 'teams inside teams',
    teams: 'teams inside teams',
    from: 'teams from an identity provider',
    oncall: 'asking who is on call',
  },
  Test: {
    'given.incidents': 'incidents',
    'given.freeze': 'change freezes',
    'given.data': 'tags of tables and columns',
    'given.context': 'incidents and freezes',
  },
  Settings: { mode: 'observe mode' },
}

const LATER_KINDS: Readonly<Record<string, string>> = {
  Runbook: 'runbooks',
  Import: 'imports',
  Incident: 'incidents',
  Schedule: 'on-call schedules',
}

export interface Unenforced {
  readonly at: readonly PropertyKey[]
  readonly message: string
}
const sentence = (what: string): string =>
  `This version does not enforce ${what} yet, so it is refused instead of being ignored. Take it out.`

/** Everything in `data` that is refused because it is not enforced yet. */
export function findUnenforced(data: Readonly<Record<string, unknown>>): readonly Unenforced[] {
  if ('apiVersion' in data || 'spec' in data || 'metadata' in data) {
    return [{ at: ['apiVersion'], message: sentence('the Kubernetes shape (apiVersion, metadata, spec)') }]
  }
  const kind = data['kind']
  if (typeof kind === 'string' && Object.hasOwn(LATER_KINDS, kind))
    return [{ at: ['kind'], message: sentence(LATER_KINDS[kind] ?? kind) }]
  if (!KINDS.includes(kind as Kind)) return []
  const found: Unenforced[] = []
  for (const [pattern, what] of Object.entries(LATER_KEYS[kind as Kind])) {
    const [path = '', value] = pattern.split('=', 2)
    for (const at of reach(data, path.split('.'), []))
      if (value === undefined || at.value === value) found.push({ at: at.path, message: sentence(what) })
  }
  return found
}

function reach(
  value: unknown,
  steps: readonly string[],
  path: readonly PropertyKey[],
): readonly { readonly path: readonly PropertyKey[]; readonly value: unknown }[] {
  const [step, ...rest] = steps
  if (step === undefined) return [{ path, value }]
  if (Array.isArray(value)) return value.flatMap((item, index) => reach(item, steps, [...path, index]))
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return []
  return reach((value as Readonly<Record<string, unknown>>)[step], rest, [...path, step])
}
