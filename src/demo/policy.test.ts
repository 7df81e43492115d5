import { expect, test } from 'vitest'
import { runTests } from '../app/documents/run-tests.ts'
import { createClassifier } from '../classify/postgres/classifier.ts'
import type { PrincipalId, Revision } from '../domain/ids.ts'
import { buildSnapshot } from '../domain/policy/build-snapshot.ts'
import { checkSet } from '../domain/policy/check-set.ts'
import { loadDocuments, ofKind } from '../domain/policy/documents.ts'
import type { Principal } from '../domain/principal.ts'
import { CAST } from './cast.ts'
import type { CastMember } from './cast.ts'
import { readPolicyFiles } from './demo-files.ts'

const person = ({ name, kind, displayName, roles, sponsor }: CastMember): Principal => ({
  id: name as PrincipalId,
  kind,
  displayName,
  roles,
  disabled: false,
  ...(sponsor === undefined ? {} : { sponsor: sponsor as PrincipalId }),
})

test('the documents of the demo are sound, the one that shows what is missing aside, and mean what their tests say', async () => {
  const { documents, findings } = loadDocuments(await readPolicyFiles(7433))
  const people = CAST.map(person)
  expect([...findings, ...checkSet(documents, people)]).toMatchObject([{ code: 'incomplete' }])
  const classifier = await createClassifier()
  const snapshot = buildSnapshot({ revision: 1 as Revision, documents }, people)
  const outcomes = await runTests(snapshot, ofKind(documents, 'Test'), classifier)
  expect(outcomes.filter((outcome) => !outcome.passed)).toEqual([])
  expect(outcomes.length).toBeGreaterThan(8)
  classifier.close()
})

test('another port is put where the files name the usual one', async () => {
  const resources = (await readPolicyFiles(5555)).find(({ path }) => path.endsWith('resources.yaml'))
  expect(resources?.text).toContain('127.0.0.1:5555/shop')
  expect(resources?.text).not.toContain('7433')
})
