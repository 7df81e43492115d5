import type { App } from '../app.ts'
import { applyDocuments } from './apply.ts'
import type { DocumentDeps } from './deps.ts'
import { explain, explainAll } from './explain.ts'
import { explainRequest } from './explain-request.ts'
import { getTargetSetup } from './get-target-setup.ts'
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
import { createTargetAccounts } from './target-accounts.ts'

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
  | 'getTargetSetup'
  | 'listTeams'
>

/** Everything the API can ask about documents. `applyApproved` (apply-approved.ts) is for the requests' side. */
export function createDocumentUseCases(deps: DocumentDeps): DocumentUseCases {
  const accounts = createTargetAccounts(deps)
  return {
    diffDocuments: diffDocuments(deps),
    applyDocuments: applyDocuments({ ...deps, accounts }),
    checkDocuments: checkDocuments(deps),
    testDocuments: testDocuments(deps),
    explain: explain(deps),
    explainAll: explainAll(deps),
    explainRequest: explainRequest(deps),
    listRevisions: listRevisions(deps),
    exportDocuments: exportDocuments(deps),
    listResources: listResources({ ...deps, accounts }),
    getResource: getResource({ ...deps, accounts }),
    getTargetSetup: getTargetSetup({ ...deps, accounts }),
    listTeams: listTeams(deps),
  }
}
