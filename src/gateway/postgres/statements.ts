import type { StatementShape } from '../../classify/postgres/shape.ts'

/** A prepared statement of the target's session, made by Parse or by PREPARE. */
export interface Prepared {
  /** The text of the Parse, or of the whole PREPARE; what the target lists in pg_prepared_statements. */
  readonly text: string
  readonly types: readonly number[]
  /** What the target said the types of its parameters are, once the client has asked. */
  described?: readonly number[]
  /** The stretch of messages, up to a Sync or a Query, in which it was made. */
  readonly stretch: number
  /** The target has said that it has it. */
  confirmed?: boolean
  /** The target has refused or skipped it. */
  gone?: boolean
  /** What the name meant before, while that may still matter. */
  before?: Prepared | undefined
  /** Set for PREPARE: what EXECUTE of it does. A Bind to it is refused, since its text is not the one to decide. */
  readonly body?: StatementShape
}

/**
 * What the target's session has prepared, by name, followed by content: a name means what was last made under it.
 * A name that is not known here is refused, whatever the target may know.
 */
export class PreparedStatements {
  readonly #byName = new Map<string, Prepared>()

  get(name: string): Prepared | undefined {
    return this.#byName.get(name)
  }
  /** Answers how to take it back. */
  set(name: string, prepared: Prepared): () => void {
    const before = this.#byName.get(name)
    if (before?.confirmed === true) before.before = undefined
    prepared.before = before
    this.#byName.set(name, prepared)
    return () => {
      prepared.gone = true
      // Something newer may stand there by now, and falls back past this one.
      if (this.#byName.get(name) === prepared) this.#restore(name, prepared.before)
    }
  }
  delete(name: string): () => void {
    const before = this.#byName.get(name)
    this.#byName.delete(name)
    return () => this.#putBack(name, before)
  }
  /** DISCARD ALL and DEALLOCATE ALL: the unnamed statement stays. Answers how to take it back. */
  clear(): () => void {
    const before = [...this.#byName].filter(([name]) => name !== '')
    for (const [name] of before) this.#byName.delete(name)
    return () => {
      for (const [name, prepared] of before) this.#putBack(name, prepared)
    }
  }
  /**
   * Forget every statement that the target no longer has, or has under the same name with another text.
   * @param unsent one that the target cannot have yet.
   */
  reconcile(listed: readonly (readonly [string, string])[], unsent: Prepared | undefined): void {
    const texts = new Map(listed)
    for (const [name, prepared] of this.#byName) {
      if (name !== '' && prepared !== unsent && texts.get(name) !== prepared.text) this.#byName.delete(name)
    }
  }

  /** It was never forgotten. What was made under its name meanwhile falls back to it, should the target refuse that. */
  #putBack(name: string, prepared: Prepared | undefined): void {
    let newer = this.#byName.get(name)
    if (newer === undefined) return this.#restore(name, prepared)
    while (newer.before !== undefined) newer = newer.before
    if (newer !== prepared) newer.before = prepared
  }

  #restore(name: string, to: Prepared | undefined): void {
    let before = to
    while (before?.gone === true) before = before.before
    if (before === undefined) this.#byName.delete(name)
    else this.#byName.set(name, before)
  }
}
