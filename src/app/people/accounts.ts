import { randomBytes } from 'node:crypto'
import { parsePrincipalId } from '../../domain/ids.ts'
import type { PrincipalId, TeamName } from '../../domain/ids.ts'
import type { Principal, Role } from '../../domain/principal.ts'
import { ROLES } from '../../domain/principal.ts'
import type { App, Caller } from '../app.ts'
import type { Store, Tx } from '../ports/store.ts'
import type { Result } from '../result.ts'
import { done, refuse } from '../result.ts'
import type { PeopleDeps } from './deps.ts'
import { hashPassword, isWeak } from './password.ts'
import type { Proof } from './prove-password.ts'
import { provePassword } from './prove-password.ts'
import { SALT_BYTES } from './token-text.ts'

type Created = Parameters<App['createPerson']>[1]
type Changed = Parameters<App['updatePerson']>[2]

/** Whoever is signed in may know who there is: requests name their reviewers. */
export async function listPeople({ store, policy }: PeopleDeps): ReturnType<App['listPeople']> {
  const teams = [...(policy()?.teams.values() ?? [])]
  const people = await store.people.list()
  const teamsOf = (person: Principal): readonly TeamName[] =>
    teams.filter((team) => team.members.includes(person.id)).map((team) => team.name)
  return done(people.map((person) => Object.assign({ teams: teamsOf(person) }, person)))
}

export async function createPerson(
  { store }: PeopleDeps,
  caller: Caller,
  input: Created,
): ReturnType<App['createPerson']> {
  const id = parsePrincipalId(input.name)
  if (!id.ok) return refuse('invalid_input', id.message)
  const displayName = shown(input.displayName ?? input.name)
  if (displayName === undefined) return refuse('invalid_input', DISPLAY_NAME)
  const misfit = misfitOf(input)
  if (misfit !== undefined) return refuse('invalid_input', misfit)
  const sponsor = input.sponsor === undefined ? undefined : parsePrincipalId(input.sponsor)
  if (sponsor?.ok === false) return refuse('invalid_input', sponsor.message)
  if (input.password !== undefined && isWeak(input.password, id.value)) return refuse('weak_password')
  if (!managesAccounts(caller)) return notPermitted()
  const hash = input.password === undefined ? undefined : await hashPassword(input.password)
  return store.transaction(async (tx) => {
    if (!(await stillAdministrator(tx, caller))) return notPermitted()
    if (sponsor !== undefined) {
      const found = await tx.people.lock(sponsor.value)
      if (found?.kind !== 'user' || found.disabled)
        return refuse('invalid_input', `${sponsor.value} is no enabled user, so cannot sponsor an agent`)
    }
    const principal: Principal = {
      id: id.value,
      kind: input.kind,
      displayName,
      roles: unique(input.roles),
      ...(sponsor === undefined ? {} : { sponsor: sponsor.value }),
      disabled: false,
    }
    if (!(await tx.people.insert(principal, randomBytes(SALT_BYTES), tx.now))) return refuse('already_exists')
    if (hash !== undefined) await tx.people.setPassword(id.value, hash)
    const { id: _, disabled: __, ...body } = principal
    await tx.record.append({
      kind: 'account.created',
      subject: `account/${id.value}`,
      actor: caller.principal.id,
      body,
    })
    return done(principal)
  })
}

/**
 * Roles, disabling and other people's passwords need an administrator; one's own name and password do not. One's own
 * password is changed by who knows it: `currentPassword` is looked at as at sign-in, and ends every sign-in but the
 * caller's. Disabling, and a password that an administrator sets, end every token at once.
 */
export async function updatePerson(
  { store }: PeopleDeps,
  caller: Caller,
  name: string,
  input: Changed,
): ReturnType<App['updatePerson']> {
  const id = parsePrincipalId(name)
  if (!id.ok) return refuse('not_found')
  const own = id.value === caller.principal.id && input.roles === undefined && input.disabled === undefined
  if (!(own && caller.scopes.includes('all')) && !managesAccounts(caller)) return notPermitted()
  const displayName = input.displayName === undefined ? undefined : shown(input.displayName)
  if (input.displayName !== undefined && displayName === undefined) return refuse('invalid_input', DISPLAY_NAME)
  if (input.roles?.some((role) => !ROLES.includes(role)))
    return refuse('invalid_input', `roles are among ${ROLES.join(', ')}`)
  if (input.password !== undefined && isWeak(input.password, id.value)) return refuse('weak_password')
  const self = id.value === caller.principal.id
  const proof =
    self && input.password !== undefined ? await proveOwn(store, caller, input.currentPassword) : done(undefined)
  if (!proof.ok) return proof
  const hash = input.password === undefined ? undefined : await hashPassword(input.password)
  return store.transaction(async (tx) => {
    // All administrators are locked, in one order: of two who demote each other at once, one is refused.
    const administrators = await tx.people.lockHolders('admin')
    if (!own && !administrators.includes(caller.principal.id)) return notPermitted()
    const before = await tx.people.lock(id.value)
    if (before === undefined) return refuse('not_found')
    if (own && before.disabled) return notPermitted()
    if (self && hash !== undefined && !(await stillProves(tx, before.id, proof.value)))
      return refuse('wrong_credentials', WRONG_NOW)
    const roles: readonly Role[] = input.roles === undefined ? before.roles : unique(input.roles)
    const now: Principal = {
      ...before,
      displayName: displayName ?? before.displayName,
      roles,
      disabled: input.disabled ?? before.disabled,
    }
    if (now.kind !== 'user' && (roles.length > 0 || hash !== undefined))
      return refuse('invalid_input', `a ${now.kind} has no roles and no password`)
    const remains = now.roles.includes('admin') && !now.disabled
    if (!remains && administrators.every((one) => one === now.id) && administrators.length > 0)
      return refuse('last_administrator')
    await tx.people.update(now)
    if (hash !== undefined) await tx.people.setPassword(now.id, hash)
    const reset = hash !== undefined && !self
    const ended =
      now.disabled || reset
        ? await tx.people.revokeTokens(now.id, ['sign_in', 'api', 'gateway'], tx.now)
        : hash === undefined
          ? []
          : await tx.people.revokeTokens(now.id, ['sign_in'], tx.now, caller.token)
    const password = reset ? `set by ${caller.principal.id}` : 'changed'
    const body = changes(before, now, hash === undefined ? undefined : password, ended)
    if (body !== undefined)
      await tx.record.append({
        kind: 'account.changed',
        subject: `account/${now.id}`,
        actor: caller.principal.id,
        body,
      })
    return done(now)
  })
}

const WRONG_NOW = 'currentPassword is not the password that you have now'

/** Whoever holds a sign-in of the caller's need not be the caller. Undefined for an account without a password yet. */
async function proveOwn(
  store: Store,
  caller: Caller,
  currentPassword: string | undefined,
): Promise<Result<Proof | undefined>> {
  const person = caller.principal.id
  if ((await store.people.passwordHash(person)) === undefined) return done(undefined)
  if (currentPassword === undefined)
    return refuse('invalid_input', 'currentPassword must hold the password that you have now')
  const { sourceAddress } = caller
  const proof = await provePassword(store, { person, password: currentPassword, sourceAddress })
  return !proof.ok && proof.refusal === 'wrong_credentials' ? refuse('wrong_credentials', WRONG_NOW) : proof
}

/** With the account locked: nobody has set a password since. */
const stillProves = async (tx: Tx, person: PrincipalId, proof: Proof | undefined): Promise<boolean> =>
  proof === undefined ? (await tx.people.passwordHash(person)) === undefined : proof.accept(tx)

/** Each changed field before and after; undefined when nothing changed. */
function changes(
  before: Principal,
  now: Principal,
  password: string | undefined,
  ended: readonly string[],
): Readonly<Record<string, unknown>> | undefined {
  const fields = (['displayName', 'roles', 'disabled'] as const).filter(
    (field) => JSON.stringify(before[field]) !== JSON.stringify(now[field]),
  )
  if (fields.length === 0 && password === undefined) return undefined
  const pick = (from: Principal) => Object.fromEntries(fields.map((field) => [field, from[field]]))
  return {
    before: pick(before),
    after: pick(now),
    ...(password === undefined ? {} : { password }),
    ...(ended.length > 0 ? { tokensEnded: ended } : {}),
  }
}

/** What does not go together in a new account, as a sentence. The table refuses the same. */
function misfitOf({ kind, roles, sponsor, password }: Created): string | undefined {
  if (roles.some((role) => !ROLES.includes(role))) return `roles are among ${ROLES.join(', ')}`
  if (kind === 'agent' && sponsor === undefined) return 'an agent acts for a sponsor: name a user'
  if (kind !== 'agent' && sponsor !== undefined) return 'only an agent has a sponsor'
  if (kind !== 'user' && (roles.length > 0 || password !== undefined))
    return `a ${kind} has no roles and no password: it signs in with a token`
  return undefined
}

const DISPLAY_NAME = 'a display name has 1 to 100 visible characters'
/** Undefined for what could be mistaken for another text, or pass for none. */
function shown(text: string): string | undefined {
  const name = text.normalize('NFC').trim()
  return name.length > 0 && name.length <= 100 && name.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)
    ? name
    : undefined
}

const unique = (roles: readonly Role[]): readonly Role[] => ROLES.filter((role) => roles.includes(role))
const managesAccounts = (caller: Caller): boolean =>
  caller.principal.roles.includes('admin') && caller.scopes.includes('all')
const notPermitted = () => refuse('not_permitted', 'accounts are managed by administrators')

/** Read again under a lock, which every change of that role takes too. */
const stillAdministrator = async (tx: Tx, caller: Caller): Promise<boolean> =>
  (await tx.people.lockHolders('admin')).includes(caller.principal.id)
