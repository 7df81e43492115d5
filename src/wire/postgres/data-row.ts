import { HEADER } from './frame.ts'
import type { Piece } from './frame.ts'

/**
 * Checks DataRows as they stream past: every column length is -1 or fits what is left of the row, and the columns
 * fill it exactly (the class of CVE-2026-4427: a negative length from a hostile server); and all rows of one answer have
 * as many columns. Keeps no bytes.
 */
export class DataRowCheck {
  /** Bytes of the row not seen yet, columns to come, bytes of the present column. */
  #left = 0
  #columns = -1
  #column = 0
  /** Bytes of a count or length that a border between chunks cut in two. */
  #number = 0
  #have = 0
  #expected = -1

  /** Rows from here on have this many columns; undefined: as many as the first of them. */
  expect(columns: number | undefined): void {
    this.#expected = columns ?? -1
  }

  /** False when the row is malformed. Pieces come in order. */
  accept(piece: Piece): boolean {
    const { chunk, end } = piece
    let at = piece.start
    if (piece.first) {
      this.#left = chunk.readUInt32BE(at + 1) - 4
      this.#columns = -1
      this.#column = 0
      this.#have = 0
      at += HEADER
    }
    this.#left -= end - at
    while (at < end) {
      if (this.#column > 0) {
        const skip = Math.min(this.#column, end - at)
        this.#column -= skip
        at += skip
        continue
      }
      if (this.#columns === 0) return false
      const need = this.#columns < 0 ? 2 : 4
      if (this.#have === 0) this.#number = 0
      while (this.#have < need && at < end) {
        this.#number = (this.#number << 8) | (chunk[at++] ?? 0)
        this.#have += 1
      }
      if (this.#have < need) break
      this.#have = 0
      if (need === 2) {
        if (this.#number > 0x7fff) return false
        if (this.#expected < 0) this.#expected = this.#number
        else if (this.#expected !== this.#number) return false
        this.#columns = this.#number
        continue
      }
      this.#columns -= 1
      if (this.#number < -1) return false
      this.#column = Math.max(0, this.#number)
      if (this.#column > this.#left + (end - at)) return false
    }
    return !piece.last || (this.#columns === 0 && this.#column === 0 && this.#have === 0)
  }
}
