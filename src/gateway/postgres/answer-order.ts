/**
 * How far the answer to one Query or Execute has come, and what may come next (section 54.2.2 and 54.2.3): results one
 * after another, each complete before the next. A server that breaks the order is not believed that anything was done.
 */
export class AnswerOrder {
  #stage: 'nothing' | 'rows' | 'copy_in' | 'copy_out' | 'copied_out' | 'complete' = 'nothing'

  /** The answer to the next message begins. */
  begin(): void {
    this.#stage = 'nothing'
  }
  /** Each of these answers whether it may stand here. */
  described(): boolean {
    return this.#opens('rows')
  }
  row(): boolean {
    return this.#stage === 'rows'
  }
  copiesIn(): boolean {
    return this.#opens('copy_in')
  }
  copiesOut(): boolean {
    return this.#opens('copy_out')
  }
  copyData(): boolean {
    return this.#stage === 'copy_out'
  }
  copyDone(): boolean {
    const may = this.#stage === 'copy_out'
    this.#stage = 'copied_out'
    return may
  }
  completed(): boolean {
    const may = this.#stage !== 'copy_out'
    this.#stage = 'complete'
    return may
  }
  failed(): void {
    this.#stage = 'complete'
  }
  /** At least one result, and the last one to its end. */
  get isWhole(): boolean {
    return this.#stage === 'complete'
  }

  #opens(stage: 'rows' | 'copy_in' | 'copy_out'): boolean {
    const may = this.#stage === 'nothing' || this.#stage === 'complete'
    this.#stage = stage
    return may
  }
}
