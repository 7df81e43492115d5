import type { Revision } from '../../domain/ids.ts'
import { buildSnapshot } from '../../domain/policy/build-snapshot.ts'
import { checkSet } from '../../domain/policy/check-set.ts'
import { ofKind } from '../../domain/policy/documents.ts'
import { hasErrors } from '../../domain/policy/finding.ts'
import type { Profile } from '../../domain/profile/profile.ts'
import { whyNobodyIn } from '../../domain/request/requirement-words.ts'
import type { App, Caller, ResourceView } from '../app.ts'
import { readCursor, writeCursor } from '../../domain/cursor.ts'
import { done, refuse } from '../result.ts'
import { inForce, outOfScope, type DocumentDeps } from './deps.ts'
import { loadFiles } from './load-files.ts'
import { clientLine } from './notes.ts'
import { atMost, firstError, propose } from './proposed.ts'
import { runTests } from './run-tests.ts'
import { readStored } from './stored.ts'
import { accountWarning } from './target-accounts.ts'
import type { TargetAccounts } from './target-accounts.ts'

export const diffDocuments =
  (deps: DocumentDeps): App['diffDocuments'] =>
  async (caller, files, { prune }) => {
    const narrow = outOfScope(caller, 'policy', 'read')
    if (narrow !== undefined) return narrow
    const { base, changes, findings } = await propose(
      deps.store,
      await deps.store.documents.currentRevision(),
      await loadFiles(deps, files),
      prune,
    )
    return done({ base, changes, findings })
  }

/** Findings in the files by themselves, as the whole set; without files, in what is in force. */
export const checkDocuments =
  (deps: DocumentDeps): App['checkDocuments'] =>
  async (caller, files) => {
    const narrow = outOfScope(caller, 'policy', 'read')
    if (narrow !== undefined) return narrow
    if (files !== undefined)
      return done(
        (await propose(deps.store, await deps.store.documents.currentRevision(), await loadFiles(deps, files), true))
          .findings,
      )
    const stored = await deps.store.documents.documentsAt(await deps.store.documents.currentRevision())
    return done(atMost(checkSet(await readStored(stored), await deps.store.people.list())))
  }

/** The tests of the files against the rules of the files; without files, of what is in force. */
export const testDocuments =
  (deps: DocumentDeps): App['testDocuments'] =>
  async (caller, files) => {
    const narrow = outOfScope(caller, 'policy', 'read')
    if (narrow !== undefined) return narrow
    const revision = await deps.store.documents.currentRevision()
    const people = await deps.store.people.list()
    if (files === undefined) {
      const documents = await readStored(await deps.store.documents.documentsAt(revision))
      return done(
        await runTests(buildSnapshot({ revision, documents }, people), ofKind(documents, 'Test'), deps.classifier),
      )
    }
    const { documents, findings } = await propose(deps.store, revision, await loadFiles(deps, files), true)
    if (hasErrors(findings)) return refuse('documents_invalid', firstError(findings))
    return done(
      await runTests(buildSnapshot({ revision, documents }, people), ofKind(documents, 'Test'), deps.classifier),
    )
  }

const PAGE = 50

export const listRevisions =
  (deps: DocumentDeps): App['listRevisions'] =>
  async (caller, cursor) => {
    const narrow = outOfScope(caller, 'policy', 'read')
    if (narrow !== undefined) return narrow
    const query = `revisions ${caller.principal.id}`
    const before = cursor === undefined ? undefined : readCursor(deps.cursorKey, query, cursor)
    if (cursor !== undefined && before === undefined)
      return refuse('invalid_input', 'the cursor is not one of this list')
    const found = await deps.store.documents.listRevisions(before as Revision | undefined, PAGE + 1)
    const items = found.slice(0, PAGE)
    const last = items.at(-1)
    return done({
      items: items.map(({ revision, at, by, summary }) => ({ revision, at, by, summary })),
      ...(found.length > PAGE && last !== undefined ? { next: writeCursor(deps.cursorKey, query, last.revision) } : {}),
    })
  }

export const exportDocuments =
  (deps: DocumentDeps): App['exportDocuments'] =>
  async (caller, wanted) => {
    const narrow = outOfScope(caller, 'policy', 'read')
    if (narrow !== undefined) return narrow
    const current = await deps.store.documents.currentRevision()
    const revision = wanted ?? current
    if (revision > current || revision < 0) return refuse('not_found', `revision ${revision}`)
    const stored = await deps.store.documents.documentsAt(revision)
    return done({ revision, documents: stored.map((document) => document.body) })
  }

type WithAccounts = DocumentDeps & { readonly accounts: TargetAccounts }

export const listResources =
  (deps: WithAccounts): App['listResources'] =>
  async (caller) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review', 'policy')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    if ('ok' in snapshot) return snapshot
    return done(await viewsOf(deps, caller, [...snapshot.resources.values()]))
  }

export const getResource =
  (deps: WithAccounts): App['getResource'] =>
  async (caller, name) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review', 'policy')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    if ('ok' in snapshot) return snapshot
    const profile = [...snapshot.resources.values()].find((resource) => resource.name === name)
    if (profile !== undefined) await deps.accounts.soon(profile)
    const [view] = profile === undefined ? [] : await viewsOf(deps, caller, [profile])
    return view === undefined ? refuse('not_found', `resource ${name.slice(0, 63)}`) : done(view)
  }

export const listTeams =
  (deps: DocumentDeps): App['listTeams'] =>
  async (caller) => {
    const narrow = outOfScope(caller, 'read', 'request', 'review', 'policy')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    return 'ok' in snapshot ? snapshot : done([...snapshot.teams.values()])
  }

async function viewsOf(
  deps: WithAccounts,
  caller: Caller,
  profiles: readonly Profile[],
): Promise<readonly ResourceView[]> {
  const counts = new Map((await deps.store.requests.openCounts()).map((count) => [count.resource, count]))
  const snapshot = deps.keeper.current()
  const security = snapshot?.settings.security
  const nobody = snapshot && whyNobodyIn(snapshot.settings.security, snapshot)
  return profiles
    .map((profile): ResourceView => {
      const twins = (snapshot?.resourcesAt(profile, profile.target.database) ?? []).filter(
        (other) => other.name !== profile.name,
      )
      const account = deps.accounts.known(profile)
      const excessive = account && accountWarning(profile, account)
      return {
        profile,
        openGrants: counts.get(profile.name)?.grants ?? 0,
        pendingRequests: counts.get(profile.name)?.pending ?? 0,
        clientLine: clientLine(deps.gateway, profile.name, caller.principal.id),
        warnings: [
          ...(profile.incomplete
            ? [
                `It has no owner or no classification: it counts as restricted, and ${security === undefined ? 'the security team' : `team ${security}`} is asked about everything.`,
                ...(nobody === undefined ? [] : [`${nobody.charAt(0).toUpperCase()}${nobody.slice(1)}.`]),
              ]
            : []),
          ...(excessive === undefined ? [] : [`${excessive}.`]),
          ...twins.map((other) => `${other.name} is the same database: the stricter of the two profiles counts.`),
          ...overdue(profile, deps.clock.now()),
        ],
      }
    })
    .toSorted((a, b) => (a.profile.name < b.profile.name ? -1 : 1))
}

function overdue(profile: Profile, now: number): readonly string[] {
  if (profile.audit === undefined) return []
  const late = now - Date.parse(profile.audit.last) - profile.audit.every
  return late > 0 ? [`Its audit is overdue by ${Math.max(1, Math.floor(late / 86_400_000))} days.`] : []
}
