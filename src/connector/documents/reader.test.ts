import { afterEach, expect, test } from 'vitest'
import type { DocumentReader } from '../../app/ports/document-reader.ts'
import { loadDocuments } from '../../domain/policy/documents.ts'
import { createDocumentReader } from './reader.ts'

let reader: DocumentReader | undefined
afterEach(() => reader?.close())

const file = (text: string) => [{ path: 'a.yaml', text }]
const TEAM = 'kind: Team\nname: payments\nmembers: [mia]\n'
const rules = (count: number) =>
  Array.from(
    { length: count },
    (_, n) =>
      `kind: Rule\nname: r${n}\non: {verbs: [write]}\nwhen: action.estimate.rows > ${n}\nhold: {reviews: [{from: owners}]}\n`,
  ).join('---\n')

test('reads what loadDocuments reads, in order, one set after the other', async () => {
  const made = createDocumentReader()
  reader = made
  const sets = [file(TEAM), file(rules(1_200)), file('kind: Team\nname: [x\n'), file('')]
  const read = await Promise.all(sets.map((set) => made.read(set)))
  expect(read).toEqual(sets.map((set) => loadDocuments(set)))
})

test('reading never keeps this thread from what is due', async () => {
  reader = createDocumentReader()
  await reader.read(file(TEAM))
  let beats = 0
  const beat = setInterval(() => beats++, 5)
  const text = '---\na: 1\n'.repeat(60_000).slice(0, 500_000)
  const files = [
    { path: 'a.yaml', text },
    { path: 'b.yaml', text: rules(3_000) },
  ]
  const [slow] = await Promise.all([reader.read(files), reader.read(file(TEAM))])
  clearInterval(beat)
  expect(slow.findings.length).toBeGreaterThan(0)
  // It takes some seconds; on this thread not one of these would have come in between.
  expect(beats).toBeGreaterThan(20)
})

test('a set that takes too long or too much is refused, and the next one is read', async () => {
  reader = createDocumentReader({ within: 300, memory: 64 })
  const long = '"'.repeat(500_000)
  const refused = await reader.read(Array.from({ length: 20 }, (_, n) => ({ path: `${n}.yaml`, text: long })))
  expect(refused).toMatchObject({ documents: [], findings: [{ severity: 'error', code: 'too_large' }] })
  await reader.close()

  reader = createDocumentReader({ memory: 40 })
  const large = await reader.read(
    Array.from({ length: 8 }, (_, n) => ({ path: `${n}.yaml`, text: `x: [${'a, '.repeat(160_000)}a]\n` })),
  )
  expect(large).toMatchObject({ documents: [], findings: [{ code: 'too_large' }] })
  expect((await reader.read(file(TEAM))).documents).toHaveLength(1)
})

test('after closing nothing is read', async () => {
  reader = createDocumentReader()
  await reader.read(file(TEAM))
  await reader.close()
  expect((await reader.read(file(TEAM))).findings).toHaveLength(1)
})
