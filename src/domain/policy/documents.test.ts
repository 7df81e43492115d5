import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkSet } from './check-set.ts'
import { describeChange, diffSets, mergeSets } from './difference.ts'
import { loadDocuments, readBody } from './documents.ts'
import { jsonSchemas, KINDS } from './schema.ts'

const load = (text: string) => loadDocuments([{ path: 'p.yaml', text }])
const codes = (text: string): readonly string[] => load(text).findings.map((finding) => finding.code)
const RESOURCE = 'kind: Resource\nname: shop-db\nconnect: postgres://shop.internal/shop\n'
const rule = (rest: string): string => `kind: Rule\nname: r\n${rest}\n`
/** Errors and warnings of a whole set, by code. */
const lint = (text: string): readonly string[] => {
  const { documents, findings } = load(text)
  expect(findings).toEqual([])
  return checkSet(documents).map((finding) => `${finding.severity} ${finding.code}`)
}

test('three lines add a resource; nothing else is needed', () => {
  const { documents, findings } = load(RESOURCE)
  expect(findings).toEqual([])
  expect(documents).toEqual([
    {
      kind: 'Resource',
      name: 'shop-db',
      path: 'p.yaml',
      line: 1,
      body: { kind: 'Resource', name: 'shop-db', connect: 'postgres://shop.internal/shop' },
    },
  ])
})

test('what is plain in YAML stays what was typed: no word, octal or time becomes something else', () => {
  const { documents } = load(
    `${RESOURCE}purpose: no\nenv: on\nlabels: {a: yes, b: 0123, c: 1:30, d: 1.10, e: 0x1f, f: 1e3, g: 1_000, h: .inf, i: 2026-01-01, j: TRUE}\n`,
  )
  expect(documents[0]?.body).toMatchObject({
    purpose: 'no',
    env: 'on',
    labels: {
      a: 'yes',
      b: '0123',
      c: '1:30',
      d: '1.10',
      e: '0x1f',
      f: '1e3',
      g: '1_000',
      h: '.inf',
      i: '2026-01-01',
      j: 'TRUE',
    },
  })
  expect(codes(`${RESOURCE}purpose: true\n`)).toEqual(['wrong_type'])
  expect(codes(`${RESOURCE}purpose: 12\n`)).toEqual(['wrong_type'])
  expect(codes(rule('hold: {reviews: [{from: owners, count: 02}]}'))).toEqual(['wrong_type'])
  expect(codes(rule('hold: {reviews: [{from: owners, distinct: no}]}'))).toEqual(['wrong_type'])
})

test.each([
  ['alias', `${RESOURCE}purpose: &a x\nenv: *a\n`, 'yaml_alias'],
  [
    'alias bomb',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 20 }, (_, i) => `b${i}: &b${i} [${Array.from({ length: 9 }, () => (i === 0 ? '*a' : `*b${i - 1}`)).join(',')}]`).join('\n')}\n`,
    'yaml_alias',
  ],
  ['merge key', `${RESOURCE}<<: {env: prod}\n`, 'yaml_merge_key'],
  ['duplicate key', `${RESOURCE}env: prod\nenv: dev\n`, 'duplicate_key'],
  ['custom tag', `${RESOURCE}purpose: !!js/function "x"\n`, 'yaml_tag'],
  ['standard tag', `${RESOURCE}purpose: !!str 12\n`, 'yaml_tag'],
  ['tag on a key', `${RESOURCE}!!str purpose: x\n`, 'yaml_key'],
  ['directive', `%YAML 1.1\n---\n${RESOURCE}`, 'yaml_directive'],
  ['prototype', `${RESOURCE}__proto__: {a: b}\n`, 'yaml_key'],
  ['constructor', `${RESOURCE}labels: {constructor: b}\n`, 'yaml_key'],
  ['a list as a key', '? [a]\n: b\n', 'yaml_key'],
  ['not a map', '- a\n', 'not_a_document'],
  ['half written', `${RESOURCE}owners: [{layer: a, team:`, 'yaml_syntax'],
  ['unclosed quote', `${RESOURCE}purpose: "x\n`, 'yaml_syntax'],
  ['direction override', `${RESOURCE}purpose: "a\\u202eb"\n`, 'unseen_character'],
  ['zero width', `${RESOURCE}purpose: a\u200bb\n`, 'unseen_character'],
  ['lone surrogate', `${RESOURCE}purpose: "a\\ud800"\n`, 'unseen_character'],
  ['NUL', `${RESOURCE}purpose: "a\\0"\n`, 'unseen_character'],
  ['deep flow', '['.repeat(100_000), 'too_deep'],
  ['deep maps', '{a: '.repeat(100_000), 'too_deep'],
  ['deep dashes', `${'- '.repeat(50_000)}a\n`, 'too_deep'],
  ['deep keys', `${Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')} x\n`, 'too_deep'],
  ['too large', `# ${'x'.repeat(3 * 1024 * 1024)}\n`, 'too_large'],
])('is refused: %s', (_what, text, code) => {
  const { documents, findings } = load(text)
  expect(documents).toEqual([])
  expect(findings.map((finding) => finding.code)).toContain(code)
  for (const finding of findings)
    expect(finding).toMatchObject({
      severity: 'error',
      path: 'p.yaml',
      line: expect.any(Number),
      column: expect.any(Number),
    })
})

test.each([
  ['parent', `${RESOURCE}parent: x\n`, 4],
  ['data', `${RESOURCE}data: []\n`, 4],
  ['dependsOn', `${RESOURCE}dependsOn: [vault]\n`, 4],
  ['oncall', `${RESOURCE}oncall: {provider: pagerduty}\n`, 4],
  ['mode', `${RESOURCE}mode: observe\n`, 4],
  ['vault', `${RESOURCE}credential: {from: vault, path: a}\n`, 4],
  ['another protocol', 'kind: Resource\nname: a\nconnect: mysql://a/b\n', 3],
  ['rowCap of an allow', rule('allow: {rowCap: 5}'), 3],
  ['until', rule('allow: {waives: [a], reviewAfter: 1h, until: incident}'), 3],
  ['rowsAtMost of a hold', rule('hold: {reviews: [{from: owners}], rowsAtMost: 5}'), 3],
  ['reviewer oncall', rule('hold: {reviews: [{from: owners}, {from: oncall}]}'), 3],
  ['incidents', rule('when: context.incidents.exists(i, true)\ndeny: x'), 3],
  ['Runbook', 'kind: Runbook\nname: a\n', 1],
  ['Kubernetes shape', 'apiVersion: holdpoint.dev/v1\nkind: Rule\nmetadata: {name: a}\nspec: {}\n', 1],
])('what is not enforced yet is refused with a sentence: %s', (_what, text, line) => {
  const [finding] = load(text).findings
  expect(finding).toMatchObject({ code: 'not_enforced_yet', line })
  expect(finding?.message).toMatch(/this version/i)
})

test.each([
  ['unknown key', `${RESOURCE}owner: mia\n`, 'unknown_key', 4, 1],
  ['unknown key inside', rule('on: {env: prod, verb: read}\ndeny: x'), 'unknown_key', 3, 17],
  ['unknown verb', rule('on: {verbs: [read, reed]}\ndeny: x'), 'invalid_value', 3, 20],
  ['one unknown verb', rule('on: {verbs: unknown}\ndeny: x'), 'invalid_value', 3, 13],
  ['quorum zero', rule('hold: {reviews: [{from: owners, count: 0}]}'), 'invalid_value', 3, 40],
  ['no review', rule('hold: {reviews: []}'), 'invalid_value', 3, 17],
  ['two effects', rule('deny: x\nallow: {}'), 'one_effect', 4, 1],
  ['no effect', 'kind: Rule\nname: r\n', 'one_effect', 1, 1],
  ['waiver without a review after', rule('allow: {waives: [a]}'), 'review_after_missing', 3, 9],
  ['for that bounds nothing', rule('on: {verbs: [write]}\nallow: {for: 30m}'), 'bounds_nothing', 4, 9],
  [
    'sessionAtMost that bounds nothing',
    rule('on: {verbs: [write]}\nallow: {sessionAtMost: 30m}'),
    'bounds_nothing',
    4,
    9,
  ],
  ['duration without a unit', rule('hold: {reviews: [{from: owners}], timeout: 15}'), 'wrong_type', 3, 44],
  ['duration of zero', rule('hold: {reviews: [{from: owners}], timeout: 0m}'), 'invalid_value', 3, 44],
  ['wildcard', rule('on: {resource: "*"}\nallow: {}'), 'invalid_value', 3, 16],
  ['look-alike name', 'kind: Resource\nname: sh\u043ep-db\nconnect: postgres://a/b\n', 'invalid_value', 2, 7],
  ['password', 'kind: Resource\nname: a\nconnect: postgres://a:hunter2@b/c\n', 'password_in_connect', 3, 10],
  ['path that climbs', `${RESOURCE}credential: {from: file, path: /etc/../root/x}\n`, 'invalid_value', 4, 32],
  ['missing name', 'kind: Team\nmembers: []\n', 'missing_key', 1, 1],
  ['unknown kind', 'kind: Policy\n', 'unknown_kind', 1, 7],
  ['no kind', 'name: x\n', 'unknown_kind', 1, 1],
  [
    'a verb that is none in owners',
    `${RESOURCE}owners:\n  - layer: a\n    team: b\n    decides: [sing]\n`,
    'invalid_value',
    7,
    15,
  ],
  ['offset time zone', `${RESOURCE}timezone: "+02:00"\n`, 'invalid_value', 4, 11],
  [
    'sql and verb',
    'kind: Test\nname: t\ngiven: {principal: a, resource: b, sql: x, verb: read}\nexpect: {decision: allow}\n',
    'invalid_value',
    3,
    8,
  ],
])('says where: %s', (_what, text, code, line, column) => {
  const found = load(text)
  expect(found.documents).toEqual([])
  expect(found.findings[0]).toMatchObject({ severity: 'error', code, path: 'p.yaml', line, column })
  expect(JSON.stringify(found.findings)).not.toContain('hunter2')
})

test('an error in an expression is shown at its own line and column, folded text included', () => {
  const wrong = 'action.estimate.rows > 1000\n  || !action.sql.hasWher'
  for (const text of [
    rule(`when: >\n  ${wrong}\ndeny: x`),
    rule(`when: |\n  ${wrong}\ndeny: x`),
    rule(`when: ${wrong}\ndeny: x`),
  ]) {
    const lines = text.split('\n')
    const line = lines.findIndex((one) => one.includes('hasWher')) + 1
    expect(load(text).findings).toEqual([
      {
        severity: 'error',
        code: 'expression_type',
        message: 'No such key: hasWher',
        path: 'p.yaml',
        line,
        column: (lines[line - 1] ?? '').indexOf('hasWher') + 1,
      },
    ])
  }
})

test('one bad document does not hide the findings of the others', () => {
  expect(codes(`${RESOURCE}owner: x\n---\n${rule('deny: x')}---\na: 1\na: 2\n---\n${rule('hold: {}')}`)).toEqual([
    'duplicate_key',
    'unknown_key',
    'missing_key',
  ])
})

const TEAM = (name: string, members: string) => `---\nkind: Team\nname: ${name}\nmembers: [${members}]\n`
const OWNED = `${RESOURCE}env: prod\nclassification: internal\nowners: [{layer: service, team: payments, decides: [write]}]\n${TEAM('payments', 'mia, dev')}${TEAM('security', 'sam, lee')}`

test('a whole set without a fault has no findings', () => {
  expect(lint(`${OWNED}---\n${rule('on: {env: prod, verbs: [write]}\nhold: {reviews: [{from: owners}]}')}`)).toEqual([])
})

test.each([
  ['two of one name', `${OWNED}---\n${rule('deny: x')}---\n${rule('deny: y')}`, 'error duplicate_name'],
  ['two Settings', `${OWNED}---\nkind: Settings\n---\nkind: Settings\n`, 'error duplicate_name'],
  [
    'confusable names',
    `${OWNED}---\nkind: Resource\nname: sh0p-db\nconnect: postgres://other/x\n`,
    'error confusable_name',
  ],
  [
    'one target twice',
    `${OWNED}---\nkind: Resource\nname: other\nconnect: postgres://u@SHOP.internal.:5432/shop\n`,
    'warning same_target',
  ],
  [
    'quorum larger than a team',
    `${OWNED}---\n${rule('hold: {reviews: [{from: "team:payments", count: 3}]}')}`,
    'error quorum_too_large',
  ],
  [
    'quorum larger than the owners',
    `${OWNED}---\n${rule('hold: {reviews: [{from: owners, count: 3}]}')}`,
    'error quorum_too_large',
  ],
  [
    'quorum larger than one user',
    `${OWNED}---\n${rule('hold: {reviews: [{from: "user:mia", count: 2}]}')}`,
    'error quorum_too_large',
  ],
  [
    'quorum of everyone',
    `${OWNED}---\n${rule('hold: {reviews: [{from: owners, count: 2}]}')}`,
    'warning quorum_needs_everyone',
  ],
  [
    'a team that is not there',
    `${OWNED}---\n${rule('hold: {reviews: [{from: "team:nobody"}]}')}`,
    'error unknown_team',
  ],
  ['a rule about nobody', `${OWNED}---\n${rule('on: {team: nobody}\ndeny: x')}`, 'error unknown_team'],
  ['a rule about nothing', `${OWNED}---\n${rule('on: {resource: nowhere}\ndeny: x')}`, 'error unknown_resource'],
  [
    'waives what is not there',
    `${OWNED}---\n${rule('on: {verbs: read}\nallow: {waives: [x], reviewAfter: 1h}')}`,
    'error unknown_rule',
  ],
  [
    'waives a deny',
    `${OWNED}---\nkind: Rule\nname: d\ndeny: x\n---\n${rule('on: {verbs: read}\nallow: {waives: [d], reviewAfter: 1h}')}`,
    'error cannot_waive',
  ],
  ['wildcard allow on prod', `${OWNED}---\n${rule('on: {env: prod}\nallow: {}')}`, 'error wildcard_allow'],
  ['wildcard allow everywhere', `${OWNED}---\n${rule('allow: {}')}`, 'error wildcard_allow'],
  [
    'a wildcard behind an expression that looks at nothing',
    `${OWNED}---\n${rule('on: {env: prod}\nwhen: "true || 1 == 2"\nallow: {}')}`,
    'error wildcard_allow',
  ],
  [
    'a wildcard over every classification',
    `${OWNED}---\n${rule('on: {env: prod, verbs: write, classification: [public, internal, confidential, restricted]}\nallow: {}')}`,
    'error wildcard_allow',
  ],
  [
    'anybody writes on prod',
    `${OWNED}---\n${rule('on: {env: prod, verbs: [read, write]}\nallow: {}')}`,
    'error wildcard_allow',
  ],
  ['never matches', `${OWNED}---\n${rule('on: {env: staging}\ndeny: x')}`, 'warning never_matches'],
  ['reads nothing', `${OWNED}---\n${rule('when: 1 == 2\ndeny: x')}`, 'warning constant'],
  [
    'estimate on connect',
    `${OWNED}---\n${rule('when: action.estimate.rows > 1\ndeny: x')}`,
    'warning estimate_unknown',
  ],
  [
    'layer that nobody has',
    `${OWNED}---\n${rule('hold: {reviews: [{from: "owners:data"}]}')}`,
    'warning unknown_layer',
  ],
  [
    'two layers for one verb',
    OWNED.replace('decides: [write]}', 'decides: [write]}, {layer: data, team: payments, decides: [write]}'),
    'warning two_layers',
  ],
  ['incomplete', RESOURCE, 'warning incomplete'],
  ['no security team', RESOURCE, 'warning no_security_team'],
  [
    'sponsor alone on restricted',
    `${OWNED.replace('internal\nowners', 'restricted\nowners')}---\n${rule('on: {principal: agent, classification: restricted}\nhold: {reviews: [{from: sponsor}]}')}`,
    'warning sponsor_alone',
  ],
])('is found between documents: %s', (_what, text, finding) => {
  expect(lint(text)).toContain(finding)
})

test('members without an account, disabled ones and machines are pointed at', () => {
  const account = (id: string, more: object = {}) =>
    ({ id, kind: 'user', displayName: id, roles: [], disabled: false, ...more }) as never
  const found = checkSet(load(OWNED).documents, [
    account('mia', { disabled: true }),
    account('sam'),
    account('lee', { kind: 'service' }),
  ])
  expect(found.map((finding) => finding.code)).toEqual(['no_account', 'no_account', 'cannot_review'])
})

test('merging keeps what the files do not name, pruning removes it, and the difference is told field by field', () => {
  const before = load(OWNED).documents
  const files = load(
    `${RESOURCE}env: prod\nclassification: restricted\nowners: [{layer: service, team: payments, decides: [write]}]\n`,
  ).documents
  const merged = diffSets(before, mergeSets(before, files, false))
  expect(merged).toEqual([
    {
      kind: 'Resource',
      name: 'shop-db',
      change: 'changed',
      fields: [{ path: 'classification', before: 'internal', after: 'restricted' }],
    },
  ])
  expect(merged.flatMap(describeChange)).toEqual(['Resource shop-db: classification: internal → restricted'])
  expect(diffSets(before, mergeSets(before, files, true)).map(({ name, change }) => `${name} ${change}`)).toEqual([
    'shop-db changed',
    'payments removed',
    'security removed',
  ])
  expect(diffSets(before, before)).toEqual([])
})

test('every kind has a JSON Schema, made from what is enforced', () => {
  const schemas = jsonSchemas()
  expect(Object.keys(schemas)).toEqual([...KINDS])
  for (const schema of Object.values(schemas))
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
  expect(JSON.stringify(schemas.Rule)).toContain('"oneOf"')
})

test('whatever a file holds, reading ends in documents and findings', () => {
  const bits = fc.constantFrom(
    'kind: Rule\n',
    'name: r\n',
    '---\n',
    '- ',
    '? ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    '!!x ',
    '"',
    "'",
    '|\n',
    '>\n',
    '#',
    '\t',
    '  ',
    'when: 1\n',
    'hold:\n',
    '\u0000',
    '%YAML 1.1\n',
    '<<: ',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.array(bits, { maxLength: 40 }).map((parts) => parts.join('')),
      ),
      (text) => {
        const { documents, findings } = load(text)
        expect(Array.isArray(documents) && Array.isArray(findings)).toBe(true)
      },
    ),
    { numRuns: 500 },
  )
})

test('a body as data passes the same checks as a file', () => {
  expect(readBody({ kind: 'Rule', name: 'r', deny: 'x' })?.name).toBe('r')
  expect(readBody({ kind: 'Rule', name: 'r', deny: 'x', allow: {} })).toBeUndefined()
  expect(readBody({ kind: 'Rule', name: 'r', when: 'nonsense(', deny: 'x' })).toBeUndefined()
})

test('the documented fields are those that the checker uses', async () => {
  const { fieldsMarkdown } = await import('../../../scripts/policy-fields.ts')
  expect(readFileSync(new URL('../../../docs/policy-fields.md', import.meta.url), 'utf8')).toBe(fieldsMarkdown())
})
