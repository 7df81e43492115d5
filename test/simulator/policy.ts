import type { PrincipalId, Revision } from '../../src/domain/ids.ts'
import { buildSnapshot } from '../../src/domain/policy/build-snapshot.ts'
import { loadDocuments } from '../../src/domain/policy/documents.ts'
import type { Snapshot } from '../../src/domain/policy/snapshot.ts'
import type { Principal } from '../../src/domain/principal.ts'

const person = (name: string, more: Partial<Principal> = {}): Principal => ({
  id: name as PrincipalId,
  kind: 'user',
  displayName: name,
  roles: [],
  disabled: false,
  ...more,
})
export const CAST: readonly Principal[] = [
  person('ana'),
  person('mia'),
  person('dev'),
  person('sam', { roles: ['admin'] }),
  person('lee'),
  person('bot', { kind: 'agent', sponsor: 'ana' as PrincipalId }),
]
/** Everybody who can be asked. */
export const REVIEWERS = ['ana', 'mia', 'dev', 'sam', 'lee'] as const

/** What may come into force, one after another. */
export const VARIANTS = ['base', 'two', 'moved', 'denied', 'held', 'brief'] as const
export type Variant = (typeof VARIANTS)[number]

const resource = (writes: string) => `kind: Resource
name: shop-db
connect: postgres://shop@127.0.0.1:5432/shop
env: prod
classification: internal
owners:
  - {layer: service, team: shop, decides: [connect, exec${writes === 'shop' ? ', write' : ''}]}
  - {layer: platform, team: database, decides: [schema, admin${writes === 'shop' ? '' : ', write'}]}
---
kind: Team
name: shop
members: [mia, ana]
---
kind: Team
name: database
members: [dev]
---
kind: Team
name: security
members: [sam, lee]
---
`
const rules = (of: { readonly write: string; readonly connect: string; readonly grantAtMost: string }) => `kind: Rule
name: connecting
on: {verbs: [connect]}
${of.connect}
---
kind: Rule
name: reads
on: {verbs: [read]}
allow: {}
---
kind: Rule
name: writes
on: {verbs: [write]}
${of.write}
---
kind: Rule
name: session-long
on: {verbs: [exec]}
hold: {reviews: [{from: owners}], scope: session, timeout: 20s, grantAtMost: ${of.grantAtMost}}
---
kind: Rule
name: one-by-one
on: {verbs: [schema]}
hold: {reviews: [{from: owners}], scope: once, timeout: 20s, grantAtMost: ${of.grantAtMost}}
---
kind: Rule
name: agents
on: {principal: agent, verbs: [write]}
hold: {reviews: [{from: sponsor}], timeout: 20s}
---
kind: Rule
name: never
on: {verbs: [export]}
deny: Ask for a report instead.
`
const OPEN = 'allow: {sessionAtMost: 40s}'
const held = (reviews: string, grantAtMost: string) =>
  `hold: {reviews: [${reviews}], timeout: 15s, grantAtMost: ${grantAtMost}}`
const TEXTS: Readonly<Record<Variant, string>> = {
  base: resource('shop') + rules({ write: held('{from: owners}', '12s'), connect: OPEN, grantAtMost: '12s' }),
  two:
    resource('shop') +
    rules({ write: held('{from: owners}, {from: "team:security"}', '12s'), connect: OPEN, grantAtMost: '12s' }),
  moved: resource('database') + rules({ write: held('{from: owners}', '12s'), connect: OPEN, grantAtMost: '12s' }),
  denied: resource('shop') + rules({ write: 'deny: Not now.', connect: OPEN, grantAtMost: '12s' }),
  held:
    resource('shop') +
    rules({
      write: held('{from: owners}', '12s'),
      connect: 'hold: {reviews: [{from: owners}], timeout: 15s, grantAtMost: 15s}',
      grantAtMost: '12s',
    }),
  brief: resource('shop') + rules({ write: held('{from: owners}', '2s'), connect: OPEN, grantAtMost: '2s' }),
}

const documents = new Map<Variant, ReturnType<typeof loadDocuments>['documents']>()
const built = new Map<string, Snapshot>()

/** The policy in force at one revision; the same object for the same question. */
export function snapshotOf(revision: number, variant: Variant, disabled: readonly string[]): Snapshot {
  const key = `${revision} ${variant} ${disabled.join()}`
  const known = built.get(key)
  if (known !== undefined) return known
  const loaded = documents.get(variant) ?? load(variant)
  const people = CAST.map((one) => (disabled.includes(one.id) ? { ...one, disabled: true } : one))
  const snapshot = buildSnapshot({ revision: revision as Revision, documents: loaded }, people)
  built.set(key, snapshot)
  return snapshot
}

function load(variant: Variant): ReturnType<typeof loadDocuments>['documents'] {
  const loaded = loadDocuments([{ path: `${variant}.yaml`, text: TEXTS[variant] }])
  const wrong = loaded.findings.filter((one) => one.severity === 'error')
  if (wrong.length > 0) throw new Error(wrong.map((one) => one.message).join('\n'))
  documents.set(variant, loaded.documents)
  return loaded.documents
}

/**
 * The same rules once more, by hand, for the oracle: who must have agreed to a verb of this person. Each set takes one
 * of them, and nobody stands in two. `undefined`: nobody may do it.
 */
export function needed(variant: Variant, verb: string, principal: string): readonly (readonly string[])[] | undefined {
  const not = principal === 'bot' ? ['bot', 'ana'] : [principal]
  const shop = ['mia', 'ana'].filter((one) => !not.includes(one))
  const sponsor = principal === 'bot' ? [['ana']] : []
  switch (verb) {
    case 'read':
      return []
    case 'connect':
      return variant === 'held' ? [shop] : []
    case 'exec':
      return [shop]
    case 'schema':
      return [['dev'].filter((one) => !not.includes(one))]
    case 'write':
      if (variant === 'denied') return undefined
      if (variant === 'moved') return [['dev'].filter((one) => !not.includes(one)), ...sponsor]
      if (variant === 'two') return [shop, ['sam', 'lee'], ...sponsor]
      return [shop, ...sponsor]
    default:
      return undefined
  }
}

/** Whether these people, each once, fill all the places. */
export const enough = (places: readonly (readonly string[])[], people: readonly string[]): boolean => {
  const [first, ...rest] = places
  if (first === undefined) return true
  return [...new Set(people)].some(
    (one) =>
      first.includes(one) &&
      enough(
        rest,
        people.filter((other) => other !== one),
      ),
  )
}
