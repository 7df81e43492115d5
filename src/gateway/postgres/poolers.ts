import type { OpenTarget } from '../../app/ports/target.ts'

/** What was seen of a pooler counts for so long. */
const FRESH_MS = 60_000
/** How often two sessions ask in turns which backend serves them. */
const ROUNDS = 3

/** Asks one session which backend serves it. Each call is a transaction of its own, unless `within` began one. */
export interface Asked {
  /** The backend that it was given when it signed in. */
  readonly pid: number
  identify(): Promise<number>
  say(sql: string): Promise<void>
}

/**
 * Whether a pooler gives each session a backend of its own, until it ends. One that hands backends to others between
 * transactions is found out by a second session that asks in turns with the first.
 */
export async function keepsBackends(session: Asked, other: Asked): Promise<boolean> {
  if (session.pid === other.pid) return false
  for (let left = ROUNDS; left > 0; left--) {
    // It keeps what it has got while the first one asks.
    await other.say('BEGIN')
    const [theirs, ours] = [await other.identify(), await session.identify()]
    await other.say('ROLLBACK')
    if (ours !== session.pid || theirs !== other.pid) return false
  }
  return true
}

/** Remembers for each target whether the pooler in front of it keeps backends; one look at a time. */
export class Poolers {
  readonly #looks = new Map<string, { readonly look: Promise<boolean>; readonly until: number }>()

  /** Answers what is remembered, or `look`s. A look that fails is not remembered. */
  async keeps(target: OpenTarget, database: string, look: () => Promise<boolean>): Promise<boolean> {
    const key = JSON.stringify([target.host, target.socket, target.port, target.user, database])
    const known = this.#looks.get(key)
    if (known !== undefined && performance.now() < known.until) return await known.look
    const looking = { look: look(), until: performance.now() + FRESH_MS }
    this.#looks.set(key, looking)
    const forget = (): void => {
      if (this.#looks.get(key) === looking) this.#looks.delete(key)
    }
    return await looking.look.then(
      (kept) => {
        if (!kept) forget()
        return kept
      },
      (error: unknown) => {
        forget()
        throw error
      },
    )
  }
}
