import type { App } from '../app.ts'
import { done, refuse } from '../result.ts'
import { inForce, outOfScope } from './deps.ts'
import type { DocumentDeps } from './deps.ts'
import { expectedVerbs, setupRole, setupSql } from './setup-sql.ts'
import { accountWarning } from './target-accounts.ts'
import type { TargetAccounts } from './target-accounts.ts'

export const getTargetSetup =
  (deps: DocumentDeps & { readonly accounts: TargetAccounts }): App['getTargetSetup'] =>
  async (caller, name, wanted) => {
    const narrow = outOfScope(caller, 'read', 'policy')
    if (narrow !== undefined) return narrow
    const snapshot = inForce(deps)
    if ('ok' in snapshot) return snapshot
    const profile = [...snapshot.resources.values()].find((resource) => resource.name === name)
    if (profile === undefined) return refuse('not_found', `resource ${name.slice(0, 63)}`)
    const account = await deps.accounts.soon(profile)
    const verbs = wanted ?? expectedVerbs(profile)
    const warning = account && accountWarning(profile, account)
    return done({
      role: setupRole(profile),
      verbs,
      sql: setupSql(profile, account, verbs),
      notes: account === undefined ? ['the target could not be asked'] : warning === undefined ? [] : [warning],
    })
  }
