import type { z } from 'zod'
import { readTarget } from '../profile/target.ts'
import { compileExpression } from './expression.ts'
import type { Finding } from './finding.ts'
import { KINDS, SCHEMAS, type Bodies, type Kind, type RuleBody } from './schema.ts'
import { findUnenforced } from './unenforced.ts'
import { readYaml, YAML_LIMITS, type RawDocument, type TextFile } from './yaml.ts'

/** One valid document. `body` is what was written, as data; `path` and `line` say where, when it came from a file. */
export type Document = {
  readonly [K in Kind]: {
    readonly kind: K
    readonly name: string
    readonly body: Bodies[K]
    readonly path?: string
    readonly line?: number
  }
}[Kind]
export type DocumentOf<K extends Kind> = Extract<Document, { kind: K }>

/** What a document is known by in its set. */
export const documentKey = (document: { readonly kind: string; readonly name: string }): string =>
  `${document.kind}/${document.name}`

export const ofKind = <K extends Kind>(documents: readonly Document[], kind: K): readonly DocumentOf<K>[] =>
  documents.filter((document): document is DocumentOf<K> => document.kind === kind)

/** Read and check each document by itself. What holds between documents is checked by `checkSet`. Never throws on any text. */
export function loadDocuments(files: readonly TextFile[]): {
  readonly documents: readonly Document[]
  readonly findings: readonly Finding[]
} {
  const raw = readYaml(files)
  const findings: Finding[] = [...raw.findings]
  const documents: Document[] = []
  for (const one of raw.documents) {
    const document = loadOne(one, findings)
    if (document !== undefined) documents.push(document)
  }
  return { documents, findings: findings.slice(0, YAML_LIMITS.findings) }
}

/** Read a body that was stored, or sent as data. Undefined when it is not a valid document of this version. */
export function readBody(
  data: Readonly<Record<string, unknown>>,
  source: { readonly path?: string; readonly line?: number } = {},
): Document | undefined {
  const findings: Finding[] = []
  const document = loadOne(
    { path: source.path ?? '', line: source.line ?? 1, data, locate: () => ({ line: 1, column: 1 }) },
    findings,
  )
  if (document === undefined) return undefined
  const { path: _path, line: _line, ...rest } = document
  return {
    ...rest,
    ...(source.path === undefined ? {} : { path: source.path }),
    ...(source.line === undefined ? {} : { line: source.line }),
  }
}

type Report = (
  code: string,
  message: string,
  at: readonly PropertyKey[],
  options?: { readonly key?: boolean; readonly offset?: number },
) => void

function loadOne(raw: RawDocument, findings: Finding[]): Document | undefined {
  const before = findings.length
  const report: Report = (code, message, at, options) => {
    findings.push({ severity: 'error', code, message, path: raw.path, ...raw.locate(at, options) })
  }
  for (const later of findUnenforced(raw.data)) report('not_enforced_yet', later.message, later.at, { key: true })
  if (findings.length > before) return undefined
  const kind = KINDS.find((known) => known === raw.data['kind'])
  if (kind === undefined) {
    report(
      'unknown_kind',
      'kind' in raw.data ? `kind is one of ${KINDS.join(', ')}.` : `A document starts with kind: ${KINDS.join(', ')}.`,
      ['kind'],
    )
    return undefined
  }
  const parsed = SCHEMAS[kind].safeParse(raw.data)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) reportIssue(issue, report, [])
    return undefined
  }
  const name = kind === 'Settings' ? 'settings' : String(raw.data['name'])
  const document = { kind, name, body: parsed.data, path: raw.path, line: raw.line } as Document
  checkBody(document, report)
  return findings.length > before ? undefined : document
}

/** Unknown keys of one document that are told; to find the place of one takes a look at all. */
const MOST_KEYS = 20

function reportIssue(issue: z.core.$ZodIssue, report: Report, above: readonly PropertyKey[]): void {
  const at = [...above, ...issue.path]
  const where = at.filter((step) => typeof step === 'string').join('.')
  switch (issue.code) {
    case 'unrecognized_keys':
      for (const key of issue.keys.slice(0, MOST_KEYS))
        report('unknown_key', `There is no ${[where, key].filter(Boolean).join('.')} here.`, [...at, key], {
          key: true,
        })
      return
    case 'invalid_union': {
      // The branch that got furthest is the one that was meant.
      const depth = (branch: readonly z.core.$ZodIssue[]): number =>
        Math.max(0, ...branch.map((one) => one.path.length + (one.code === 'invalid_type' ? 0 : 1)))
      const [best] = issue.errors.toSorted((a, b) => depth(b) - depth(a))
      const first = best?.[0]
      if (first === undefined) report('invalid_value', `${where}: not one of the accepted values.`, at)
      else reportIssue(first, report, at)
      return
    }
    case 'invalid_type':
      report(
        issue.input === undefined && issue.message.includes('undefined') ? 'missing_key' : 'wrong_type',
        `${where}: ${missing(issue)}`,
        at,
      )
      return
    default:
      report('invalid_value', `${where}: ${issue.message}`, at)
  }
}

function missing(issue: z.core.$ZodIssue & { readonly code: 'invalid_type' }): string {
  if (issue.message.includes('received undefined')) return 'is missing.'
  if (issue.message.includes('received null')) return 'has no value.'
  if (issue.expected === 'string' && /received (number|boolean)/.test(issue.message))
    return 'is text; put it in quotes.'
  return `${issue.message.replace('Invalid input: ', '')}.`
}

function checkBody(document: Document, report: Report): void {
  switch (document.kind) {
    case 'Resource': {
      const read = readTarget(document.body.connect)
      if (!read.ok) report(read.code, read.message, ['connect'])
      const layers = new Set<string>()
      for (const [index, owner] of (document.body.owners ?? []).entries()) {
        if (layers.has(owner.layer))
          report('duplicate_layer', `The layer ${owner.layer} stands here twice.`, ['owners', index, 'layer'])
        layers.add(owner.layer)
      }
      return
    }
    case 'Rule':
      checkRule(document.body, report)
      return
    case 'Team': {
      const { members, lead } = document.body
      const twice = members.findIndex((member, index) => members.indexOf(member) !== index)
      if (twice >= 0) report('duplicate_member', `${members[twice]} stands here twice.`, ['members', twice])
      if (lead !== undefined && !members.includes(lead))
        report('lead_not_member', 'The lead is not a member.', ['lead'])
      return
    }
    case 'Test':
      if ((document.body.given.sql === undefined) === (document.body.given.verb === undefined))
        report('invalid_value', 'given: needs sql or verb, and not both.', ['given'])
      return
    case 'Settings':
  }
}

function checkRule(rule: RuleBody, report: Report): void {
  const effects = (['deny', 'hold', 'allow'] as const).filter((effect) => rule[effect] !== undefined)
  if (effects.length !== 1)
    report(
      'one_effect',
      'A rule has exactly one of deny, hold and allow.',
      effects[1] === undefined ? [] : [effects[1]],
      { key: true },
    )
  if (rule.when !== undefined) {
    const compiled = compileExpression(rule.when)
    if (!compiled.ok)
      report(compiled.problem.code, compiled.problem.message, ['when'], { offset: compiled.problem.offset })
  }
  const { allow } = rule
  if (allow === undefined) return
  if (allow.waives !== undefined && allow.reviewAfter === undefined)
    report(
      'review_after_missing',
      'A waiver is an exception: say with reviewAfter when it is reviewed.',
      ['allow', 'waives'],
      { key: true },
    )
  if (allow.waives === undefined && allow.reviewAfter !== undefined)
    report(
      'review_after_unused',
      'reviewAfter belongs to a waiver; this allow waives nothing.',
      ['allow', 'reviewAfter'],
      { key: true },
    )
  const verbs = rule.on?.verbs === undefined ? undefined : [rule.on.verbs].flat()
  if (allow.sessionAtMost !== undefined && verbs !== undefined && !verbs.includes('connect')) {
    report(
      'bounds_nothing',
      'allow.sessionAtMost bounds the session that an allowed connect opens, and this rule is not about connect.',
      ['allow', 'sessionAtMost'],
      { key: true },
    )
  }
  // Statements are decided one by one, for as long as the rule matches; only a session has a time that could be bounded.
  if (allow.for !== undefined && (verbs === undefined || verbs.some((verb) => verb !== 'connect'))) {
    report(
      'bounds_nothing',
      'allow.for bounds the session that a connect opens; this version does not enforce it for other verbs yet. Use it with on: {verbs: connect}.',
      ['allow', 'for'],
      { key: true },
    )
  }
}
