import type { CredentialSource, Profile } from '../../domain/profile/profile.ts'
import { grantsRole } from '../../domain/profile/role-names.ts'
import type { SessionTarget } from '../ports/requests.ts'
import type { OpenTarget } from '../ports/target.ts'
import { done } from '../result.ts'
import type { Result } from '../result.ts'

/** A target with its password, for the moment of connecting. */
export async function openTargetOf(
  deps: { readonly readCredential: (source: CredentialSource) => Promise<Result<string, 'target_unreachable'>> },
  of: SessionTarget & Partial<Pick<Profile, 'name' | 'access'>>,
): Promise<Result<OpenTarget, 'target_unreachable'>> {
  // The account may not do what only the roles of grants may, and PostgreSQL plans nothing else for it.
  const plans = of.access === 'ephemeral' && of.name !== undefined ? { plansAs: grantsRole(of.name) } : {}
  if (of.credential === undefined) return done({ ...of.target, ...plans })
  const password = await deps.readCredential(of.credential)
  return password.ok ? done({ ...of.target, ...plans, password: password.value }) : password
}
