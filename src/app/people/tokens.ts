import type { TokenId } from '../../domain/ids.ts'
import { parsePrincipalId } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Millis } from '../../domain/time.ts'
import { formatDuration, millis } from '../../domain/time.ts'
import type { App, Caller, TokenScope } from '../app.ts'
import { TOKEN_SCOPES } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import type { Result } from '../result.ts'
import { done, refuse } from '../result.ts'
import type { PeopleDeps } from './deps.ts'
import { grantToken, LIFETIMES, tokenSubject } from './grant-token.ts'

type Input = Parameters<App['issueToken']>[1]
const LABEL_AT_MOST = 100

export async function listTokens({ store }: PeopleDeps, caller: Caller): ReturnType<App['listTokens']> {
  return done(await store.people.liveTokens(caller.principal.id))
}

/**
 * A token never does more than the one it was made with. Made with an API token it does not outlive that either:
 * a leaked token cannot keep itself alive.
 */
export async function issueToken({ store }: PeopleDeps, caller: Caller, input: Input): ReturnType<App['issueToken']> {
  const { usual, longest } = LIFETIMES[input.kind]
  const lifetime = input.lifetime ?? usual
  if (!Number.isSafeInteger(lifetime) || lifetime <= 0) return refuse('invalid_input', 'a lifetime is a positive time')
  if (lifetime > longest)
    return refuse('invalid_input', `a token of this kind lives at most ${formatDuration(longest)}`)
  const label = input.label ?? ''
  if (label.length > LABEL_AT_MOST) return refuse('invalid_input', `a label has at most ${LABEL_AT_MOST} characters`)
  const scopes = scopesFor(caller, input)
  if (!scopes.ok) return scopes
  return store.transaction(async (tx) => {
    const owner = await ownerFor(tx, caller, input.for)
    if (!owner.ok) return owner
    const bound = await remaining(tx, caller)
    if (bound === undefined) return refuse('not_signed_in')
    return done(
      await grantToken(tx, {
        principal: owner.value.id,
        kind: input.kind,
        scopes: scopes.value,
        label,
        lifetime: millis(Math.min(lifetime, bound)),
        actor: caller.principal.id,
      }),
    )
  })
}

function scopesFor(
  caller: Caller,
  { kind, scopes }: Input,
): Result<readonly TokenScope[], 'invalid_input' | 'scope_too_narrow'> {
  const wanted = kind === 'gateway' ? (['gateway'] as const) : (scopes ?? ['all'])
  if (kind === 'gateway' && scopes?.some((scope) => scope !== 'gateway'))
    return refuse('invalid_input', 'a gateway token has the scope gateway, and no other')
  if (wanted.length === 0 || wanted.some((scope) => !TOKEN_SCOPES.includes(scope)))
    return refuse('invalid_input', `scopes are among ${TOKEN_SCOPES.join(', ')}`)
  const missing = wanted.find((scope) => !caller.scopes.includes('all') && !caller.scopes.includes(scope))
  return missing === undefined
    ? done([...new Set(wanted)])
    : refuse('scope_too_narrow', `your own token does not have the scope ${missing}`)
}

/** Oneself; for an administrator also a service or an agent, never another person. */
async function ownerFor(
  tx: Tx,
  caller: Caller,
  name: string | undefined,
): Promise<Result<Principal, 'not_permitted' | 'not_found' | 'not_signed_in'>> {
  // Read again under a lock: whoever was disabled meanwhile gets nothing.
  const me = await tx.people.lock(caller.principal.id)
  if (me === undefined || me.disabled) return refuse('not_signed_in')
  if (name === undefined || name === me.id) return done(me)
  if (!me.roles.includes('admin') || !caller.scopes.includes('all'))
    return refuse('not_permitted', 'a token for somebody else needs an administrator')
  const id = parsePrincipalId(name)
  const owner = id.ok ? await tx.people.lock(id.value) : undefined
  if (owner === undefined || owner.disabled) return refuse('not_found', `an enabled account ${name}`)
  if (owner.kind === 'user') return refuse('not_permitted', 'people make their own tokens')
  return done(owner)
}

/** How long what the caller makes may live; undefined when the caller's own token has just ended. */
async function remaining(tx: Tx, caller: Caller): Promise<Millis | undefined> {
  const own = await tx.people.findToken(caller.token)
  if (own === undefined) return undefined
  if (own.kind === 'sign_in') return millis(Number.MAX_SAFE_INTEGER)
  return own.expiresAt > tx.now ? millis(own.expiresAt - tx.now) : undefined
}

/** One's own; an administrator anybody's. Somebody else's looks as if there were none. */
export async function revokeToken({ store }: PeopleDeps, caller: Caller, id: string): ReturnType<App['revokeToken']> {
  if (!/^T-[0-9a-f]{16}$/.test(id)) return refuse('not_found')
  return store.transaction(async (tx) => {
    const token = await tx.people.findToken(id as TokenId)
    const may =
      token !== undefined &&
      (token.principal === caller.principal.id ||
        (caller.principal.roles.includes('admin') && caller.scopes.includes('all')))
    if (!may) return refuse('not_found')
    await tx.people.revokeToken(token.id, tx.now)
    await tx.record.append({
      kind: 'token.revoked',
      subject: tokenSubject(token.principal, token.id),
      actor: caller.principal.id,
      body: { principal: token.principal, token: token.id },
    })
    return done(undefined)
  })
}
