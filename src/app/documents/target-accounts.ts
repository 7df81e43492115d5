import type { Profile } from '../../domain/profile/profile.ts'
import type { TargetAccount } from '../ports/target.ts'
import type { DocumentDeps } from './deps.ts'

/** What was found of the accounts that Holdpoint signs in with on its targets. */
export interface TargetAccounts {
  /** As last seen, without waiting; looks again in the background when that is old. Undefined when it was never seen. */
  known(profile: Profile): TargetAccount | undefined
  /** The same, and waits a moment for the first look. */
  soon(profile: Profile): Promise<TargetAccount | undefined>
  /** What another look has found. */
  note(profile: Profile, account: TargetAccount): void
}

/** A look that is older than this is made again when somebody asks, in ms. */
const FRESH_MS = 5 * 60_000
/** One that failed. */
const RETRY_MS = 30_000
/** How long whoever reads a resource waits for the first look: the warning is worth no more. */
const SOON_MS = 800
/** Looks under way at once, and accounts remembered. */
const MOST_LOOKS = 4
const MOST_KNOWN = 10_000

interface Seen {
  account: TargetAccount | undefined
  until: number
  looking: Promise<void> | undefined
}

/** In memory alone: a new process looks again. A target that cannot be reached only means that nothing is known of it. */
export function createTargetAccounts(deps: Pick<DocumentDeps, 'targets' | 'openTarget' | 'clock'>): TargetAccounts {
  const all = new Map<string, Seen>()
  let under = 0

  const seenOf = (profile: Profile): Seen => {
    const key = JSON.stringify([profile.target, profile.credential])
    let seen = all.get(key)
    if (seen === undefined) {
      if (all.size >= MOST_KNOWN) all.clear()
      seen = { account: undefined, until: 0, looking: undefined }
      all.set(key, seen)
    }
    return seen
  }
  const look = async (profile: Profile, seen: Seen): Promise<void> => {
    let found: TargetAccount | undefined
    try {
      const target = await deps.openTarget(profile)
      const probed = target.ok ? await deps.targets.probe(target.value) : undefined
      if (probed?.ok === true) found = probed.account
    } catch {
      // As good as unreachable.
    }
    if (found !== undefined) seen.account = found
    seen.until = deps.clock.now() + (found === undefined ? RETRY_MS : FRESH_MS)
  }
  const refresh = (profile: Profile): Seen => {
    const seen = seenOf(profile)
    if (seen.looking !== undefined || seen.until > deps.clock.now() || under >= MOST_LOOKS) return seen
    under++
    seen.looking = look(profile, seen).finally(() => {
      under--
      seen.looking = undefined
    })
    return seen
  }

  return {
    known: (profile) => refresh(profile).account,
    async soon(profile) {
      const seen = refresh(profile)
      if (seen.account === undefined && seen.looking !== undefined) {
        let timer: NodeJS.Timeout | undefined
        const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, SOON_MS)))
        await Promise.race([seen.looking, late])
        clearTimeout(timer)
      }
      return seen.account
    },
    note(profile, account) {
      const seen = seenOf(profile)
      seen.account = account
      seen.until = deps.clock.now() + FRESH_MS
    },
  }
}

/** `shop_admin, the account that Holdpoint signs in with, is a superuser and owns 12 tables: ...` */
export function accountWarning(profile: Profile, account: TargetAccount): string | undefined {
  // What makes the roles of grants has to make roles.
  const excess = account.excess.filter((one) => profile.access !== 'ephemeral' || !one.includes('(CREATEROLE)'))
  if (excess.length === 0) return undefined
  const last = excess.at(-1) ?? ''
  const rest = excess.slice(0, -1)
  const what = rest.length === 0 ? last : `${rest.join(', ')} and ${last}`
  return `${account.role}, the account that Holdpoint signs in with, ${what}: so may every statement that passes. SQL for a lesser one: hp connect setup ${profile.name} --print-sql`
}
