/** Exit codes: part of the interface, documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notSignedIn: 3,
  notFound: 4,
  /** Pending, or gave up waiting: may be tried again. */
  pending: 75,
  denied: 77,
  /** Withdrawn, by Ctrl-C. */
  withdrawn: 130,
} as const

/** What a command ends with when it cannot go on: one line of `error:`, at most one of `hint:`, an exit code. */
export class Stop extends Error {
  readonly exit: number
  readonly hint: string | undefined
  constructor(exit: number, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Stop'
    this.exit = exit
    this.hint = hint
  }
}

export const usage = (message: string, hint?: string): Stop => new Stop(EXIT.usage, message, hint)
