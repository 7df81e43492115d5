import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { countLines } from './count-lines.ts'
import { BackupError, EndLine, FORMAT, Manifest, SumLine, TableLine } from './manifest.ts'
import type { TableRows, Written } from './write-format.ts'

/** No line of JSON that describes something is longer. */
const LONGEST_LINE = 4 * 1024 * 1024
/** What `\.` on a line of its own looks like behind a row. */
const TERMINATOR = Buffer.from('\n\\.\n')

export interface BackupReader {
  readonly manifest: Manifest
  /**
   * Its tables, in order; the rows of each must be read to their end before the next. The last one is followed by the
   * check of the whole: whoever stops before the end knows nothing of the file.
   */
  tables(): AsyncGenerator<TableRows, Written>
}

/** Whether the last line was sealed by this installation's keyring; the words say why not. */
export type CheckSeal = (sha256: Buffer, seal: EndLine['seal']) => string | undefined

/**
 * Reads what `writeFormat` wrote, and trusts nothing in it before its sum was checked.
 * @throws BackupError when it is something else, was changed, or breaks off.
 */
export async function readFormat(source: AsyncIterable<Buffer>, checkSeal: CheckSeal): Promise<BackupReader> {
  const input = new Input(source)
  const first = await input.line('its first line')
  if (!first.startsWith(`{"format":`)) throw new BackupError('This is no backup of Holdpoint.')
  if (!first.startsWith(`{"format":"${FORMAT}"`))
    throw new BackupError(`This backup was written by another version of Holdpoint, in a format that is not ${FORMAT}.`)
  const manifest = parse(Manifest, first)
  return { manifest, tables: () => tables(input, checkSeal) }
}

async function* tables(input: Input, checkSeal: CheckSeal): AsyncGenerator<TableRows, Written> {
  const total = { tables: 0, rows: 0 }
  for (;;) {
    const before = input.sumSoFar()
    const text = await input.line('the line behind a table')
    if (text.startsWith('{"end":')) {
      const last = parse(EndLine, text)
      const { end, sha256, seal } = last
      // Nothing covers this line, so it has one form.
      if (
        text !== JSON.stringify(last) ||
        sha256 !== before.toString('hex') ||
        end.tables !== total.tables ||
        end.rows !== total.rows
      )
        throw new BackupError('The backup is damaged: its bytes are not those that were written.')
      const unsealed = checkSeal(before, seal)
      if (unsealed !== undefined) throw new BackupError(unsealed)
      await input.nothingMore()
      return total
    }
    const { table, columns } = parse(TableLine, text)
    const sum = createHash('sha256')
    let rows = 0
    let read = false
    yield {
      table,
      columns,
      rows: (async function* () {
        for await (const chunk of input.rows(table)) {
          sum.update(chunk)
          rows += countLines(chunk)
          yield chunk
        }
        const said = parse(SumLine, await input.line(`the sum of ${table}`))
        if (said.rows !== rows || said.sha256 !== sum.digest('hex'))
          throw new BackupError(`The backup is damaged in the table ${table}.`)
        read = true
      })(),
    }
    if (!read) throw new Error(`the rows of ${table} were not read to their end`)
    total.tables++
    total.rows += rows
  }
}

const NEWLINE = 0x0a

function parse<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  let value: unknown
  try {
    value = JSON.parse(text) as unknown
  } catch {
    throw new BackupError('The backup is damaged: a line that describes it is no JSON.')
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new BackupError('The backup is damaged: a line that describes it has another form.')
  return parsed.data
}

/** Lines and rows, from chunks cut anywhere. */
class Input {
  readonly #source: AsyncIterator<Buffer>
  readonly #sum = createHash('sha256')
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Over everything taken so far. */
  sumSoFar(): Buffer {
    return this.#sum.copy().digest()
  }

  async line(what: string): Promise<string> {
    let end: number
    while ((end = this.#rest.indexOf(NEWLINE)) === -1) {
      if (this.#rest.length > LONGEST_LINE) throw new BackupError('This is no backup of Holdpoint.')
      if (!(await this.#more())) throw new BackupError(`The backup breaks off: ${what} is missing.`)
    }
    return this.#take(end + 1).toString('utf8', 0, end)
  }

  /** Whole or part rows, up to the line `\.`, which is taken too. */
  async *rows(table: string): AsyncGenerator<Buffer, void> {
    let begins = true
    for (;;) {
      if (begins && this.#rest.length >= 3) {
        if (this.#rest.subarray(0, 3).equals(TERMINATOR.subarray(1))) {
          this.#take(3)
          return
        }
        begins = false
      }
      if (!begins) {
        const end = this.#rest.indexOf(TERMINATOR)
        if (end !== -1) {
          yield this.#take(end + 1)
          this.#take(3)
          return
        }
        // The last three bytes may begin the terminator.
        if (this.#rest.length > 3) yield this.#take(this.#rest.length - 3)
      }
      if (!(await this.#more())) throw new BackupError(`The backup breaks off in the table ${table}.`)
    }
  }

  async nothingMore(): Promise<void> {
    if (this.#rest.length > 0 || (await this.#more()))
      throw new BackupError('The backup is damaged: something stands behind its end.')
  }

  #take(bytes: number): Buffer {
    const taken = this.#rest.subarray(0, bytes)
    this.#rest = this.#rest.subarray(bytes)
    this.#sum.update(taken)
    return taken
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const next = await this.#source.next()
      if (next.done === true) return false
      if (next.value.length === 0) continue
      this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value])
      return true
    }
  }
}
