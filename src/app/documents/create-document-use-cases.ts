import type { App } from '../app.ts'
import { applyDocuments } from './apply.ts'
import type { DocumentDeps } from './deps.ts'
import { explain, explainAll } from './explain.ts'
import { explainRequest } from './explain-request.ts'
import {
  checkDocuments,
  diffDocuments,
  exportDocuments,
  getResource,
  listResources,
  listRevisions,
  listTeams,
  testDocuments,
} from './read.ts'

export type DocumentUseCases = Pick<
  App,
  | 'diffDocuments'
  | 'applyDocuments'
  | 'checkDocuments'
  | 'testDocuments'
  | 'explain'
  | 'explainAll'
  | 'explainRequest'
  | 'listRevisions'
  | 'exportDocuments'
  | 'listResources'
  | 'getResource'
  | 'listTeams'
>

/** Everything the API can ask about documents. `applyApproved` (apply-approved.ts) is for the requests' side. */
export const createDocumentUseCases = (deps: DocumentDeps): DocumentUseCases => ({
  diffDocuments: diffDocuments(deps),
  applyDocuments: applyDocuments(deps),
  checkDocuments: checkDocuments(deps),
  testDocuments: testDocuments(deps),
  explain: explain(deps),
  explainAll: explainAll(deps),
  explainRequest: explainRequest(deps),
  listRevisions: listRevisions(deps),
  exportDocuments: exportDocuments(deps),
  listResources: listResources(deps),
  getResource: getResource(deps),
  listTeams: listTeams(deps),
})
