import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createClassifier } from '../../classify/postgres/classifier.ts'
import type { PrincipalId, Revision } from '../../domain/ids.ts'
import { buildSnapshot } from '../../domain/policy/build-snapshot.ts'
import { checkSet } from '../../domain/policy/check-set.ts'
import { loadDocuments, ofKind } from '../../domain/policy/documents.ts'
import type { Principal } from '../../domain/principal.ts'
import { runTests } from './run-tests.ts'

const PEOPLE = ['ana', 'mia', 'dev', 'sam', 'olu', 'lee'].map((id): Principal => ({
  id: id as PrincipalId,
  kind: 'user',
  displayName: id,
  roles: [],
  disabled: false,
}))
const BOT: Principal = {
  id: 'bot' as PrincipalId,
  kind: 'agent',
  displayName: 'Bot',
  roles: [],
  disabled: false,
  sponsor: 'ana' as PrincipalId,
}

test('the examples of docs/policy.md are one valid set, and its tests pass', async () => {
  const page = readFileSync(new URL('../../../docs/policy.md', import.meta.url), 'utf8')
  const text = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((block) => block[1]).join('---\n')
  const { documents, findings } = loadDocuments([{ path: 'docs/policy.md', text }])
  expect(findings).toEqual([])
  const people = [...PEOPLE, BOT]
  expect(checkSet(documents, people).map((finding) => finding.code)).toEqual(['incomplete'])
  const classifier = await createClassifier()
  const outcomes = await runTests(
    buildSnapshot({ revision: 1 as Revision, documents }, people),
    ofKind(documents, 'Test'),
    classifier,
  )
  classifier.close()
  expect(outcomes.filter((outcome) => !outcome.passed)).toEqual([])
  expect(outcomes).toHaveLength(6)
})
