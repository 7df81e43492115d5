import type { App, Caller, DocumentFile, ExplainInput } from '../../app/app.ts'
import { REFUSALS } from '../../app/refusals.ts'
import type { Result } from '../../app/result.ts'
import { Refused } from '../problems.ts'
import {
  appliedView,
  differenceView,
  explainedView,
  findingView,
  resourceView,
  testReportView,
} from '../view/documents.ts'
import { present, time } from '../view/scalars.ts'
import { mapped } from './handler.ts'
import type { Handlers } from './handler.ts'
import { requestIdOf, revisionOf } from './input.ts'

type Operations =
  | 'exportDocuments'
  | 'diffDocuments'
  | 'applyDocuments'
  | 'checkDocuments'
  | 'testDocuments'
  | 'listRevisions'
  | 'explain'
  | 'explainBatch'
  | 'explainRequest'
  | 'listResources'
  | 'getResource'
  | 'getTargetSetup'
  | 'listTeams'

/** `documents_invalid` with every finding, each with its file, line and column. */
async function withFindings<T>(
  app: App,
  caller: Caller,
  files: readonly DocumentFile[] | undefined,
  result: Result<T>,
): Promise<Result<T>> {
  if (result.ok || result.refusal !== 'documents_invalid') return result
  const found = await app.checkDocuments(caller, files)
  if (!found.ok) return result
  throw new Refused('documents_invalid', present({ detail: result.detail, findings: found.value.map(findingView) }))
}

const explainInput = ({
  at,
  ...rest
}: {
  readonly as: string
  readonly on: string
  readonly at?: string | undefined
}): ExplainInput => present({ ...rest, at: at === undefined ? undefined : Date.parse(at) })

export const documents: Handlers<Operations> = {
  exportDocuments: async ({ app, caller, query }) =>
    mapped(
      await app.exportDocuments(caller, query.revision === undefined ? undefined : revisionOf(query.revision)),
      ({ revision, documents }) => ({ revision, documents: documents.map((document) => ({ ...document })) }),
    ),
  diffDocuments: async ({ app, caller, body: { files, prune } }) =>
    mapped(await withFindings(app, caller, files, await app.diffDocuments(caller, files, { prune })), differenceView),
  async applyDocuments({ app, caller, body: { files, prune, base, reason } }) {
    const options = present({ prune, reason, base: base === undefined ? undefined : revisionOf(base) })
    return mapped(await withFindings(app, caller, files, await app.applyDocuments(caller, files, options)), appliedView)
  },
  checkDocuments: async ({ app, caller, body }) =>
    mapped(await app.checkDocuments(caller, body.files), (findings) => ({ findings: findings.map(findingView) })),
  testDocuments: async ({ app, caller, body }) =>
    mapped(await withFindings(app, caller, body.files, await app.testDocuments(caller, body.files)), testReportView),
  listRevisions: async ({ app, caller, query }) =>
    mapped(await app.listRevisions(caller, query.cursor), ({ items, next }) =>
      present({ items: items.map((item) => ({ ...item, at: time(item.at), summary: [...item.summary] })), next }),
    ),

  explain: async ({ app, caller, body }) => mapped(await app.explain(caller, explainInput(body)), explainedView),
  async explainBatch({ app, caller, body }) {
    const answers = await app.explainAll(caller, body.items.map(explainInput))
    const items = answers.map((result) =>
      result.ok
        ? { ok: true as const, explained: explainedView(result.value) }
        : present({
            ok: false as const,
            code: result.refusal,
            title: REFUSALS[result.refusal].title,
            detail: result.detail,
          }),
    )
    return { ok: true, value: { items } }
  },
  explainRequest: async ({ app, caller, params }) =>
    mapped(await app.explainRequest(caller, requestIdOf(params.id)), explainedView),

  listResources: async ({ app, caller }) =>
    mapped(await app.listResources(caller), (items) => ({ items: items.map(resourceView) })),
  getResource: async ({ app, caller, params }) => mapped(await app.getResource(caller, params.name), resourceView),
  getTargetSetup: async ({ app, caller, params, query }) =>
    mapped(await app.getTargetSetup(caller, params.name, query.verbs), ({ verbs, notes, ...rest }) => ({
      ...rest,
      verbs: [...verbs],
      notes: [...notes],
    })),
  listTeams: async ({ app, caller }) =>
    mapped(await app.listTeams(caller), (teams) => ({
      items: teams.map(({ name, members, lead }) => present({ name, members: [...members], lead })),
    })),
}
