/**
 * The PostgreSQL wire protocol read as strictly as section 54.7 of the documentation says, slowly and on its own: what
 * the gateway forwards is judged by this, and by nothing that the gateway itself is made of.
 */

/** One whole message. */
export interface Framed {
  /** The type byte as a letter. */
  readonly type: string
  readonly bytes: Buffer
}

/** Walks one body. Throws a sentence at the first thing that is not there. */
class Walker {
  readonly #body: Buffer
  #at = 0
  constructor(body: Buffer) {
    this.#body = body
  }
  get left(): number {
    return this.#body.length - this.#at
  }
  skip(size: number, what: string): void {
    if (size < 0 || size > this.left) throw new Error(`${what} of ${size} bytes where ${this.left} are left`)
    this.#at += size
  }
  int(size: 1 | 2 | 4, what: string): number {
    this.skip(size, what)
    return this.#body.readIntBE(this.#at - size, size)
  }
  string(what: string): string {
    const end = this.#body.indexOf(0, this.#at)
    if (end < 0) throw new Error(`${what} without an end`)
    const text = this.#body.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }
  times(what: string, each: () => void): void {
    const count = this.int(2, what) & 0xffff
    for (let i = 0; i < count; i++) each()
  }
  value(): void {
    const size = this.int(4, 'a value')
    if (size < -1) throw new Error(`a value of ${size} bytes`)
    if (size > 0) this.skip(size, 'a value')
  }
  end(): void {
    if (this.left > 0) throw new Error(`${this.left} bytes too many`)
  }
}

type Shape = (body: Walker) => void
const nothing: Shape = () => undefined
const anything: Shape = (body) => body.skip(body.left, 'a body')
const fields: Shape = (body) => {
  while (body.int(1, 'a field') !== 0) body.string('a field')
}
const copyResponse: Shape = (body) => {
  const format = body.int(1, 'a format')
  if (format !== 0 && format !== 1) throw new Error(`copy format ${format}`)
  body.times('columns', () => body.int(2, 'a format'))
}
const named: Shape = (body) => {
  const what = String.fromCharCode(body.int(1, 'what'))
  if (what !== 'S' && what !== 'P') throw new Error(`neither a statement nor a portal: ${what}`)
  body.string('a name')
}

const FRONTEND: Readonly<Record<string, Shape>> = {
  Q: (body) => void body.string('a text'),
  P: (body) => {
    body.string('a name')
    body.string('a text')
    body.times('types', () => body.int(4, 'a type'))
  },
  B: (body) => {
    body.string('a portal')
    body.string('a name')
    body.times('formats', () => body.int(2, 'a format'))
    body.times('values', () => body.value())
    body.times('formats', () => body.int(2, 'a format'))
  },
  E: (body) => {
    body.string('a portal')
    body.int(4, 'a limit')
  },
  D: named,
  C: named,
  H: nothing,
  S: nothing,
  X: nothing,
  c: nothing,
  d: anything,
  f: (body) => void body.string('a reason'),
  p: anything,
}

const BACKEND: Readonly<Record<string, Shape>> = {
  1: nothing,
  2: nothing,
  3: nothing,
  A: (body) => {
    body.int(4, 'a process')
    body.string('a channel')
    body.string('a payload')
  },
  C: (body) => void body.string('a tag'),
  D: (body) => body.times('values', () => body.value()),
  E: fields,
  G: copyResponse,
  H: copyResponse,
  I: nothing,
  K: anything,
  N: fields,
  R: anything,
  S: (body) => {
    body.string('a name')
    body.string('a value')
  },
  T: (body) =>
    body.times('columns', () => {
      body.string('a column')
      body.skip(18, 'a column')
    }),
  Z: (body) => {
    const status = String.fromCharCode(body.int(1, 'a status'))
    if (!'ITE'.includes(status)) throw new Error(`status ${status}`)
  },
  c: nothing,
  d: anything,
  n: nothing,
  s: nothing,
  t: (body) => body.times('types', () => body.int(4, 'a type')),
  v: anything,
}

/** Cuts what one side sends into messages and judges each. After a fault it reads nothing more. */
export class StrictReader {
  readonly #shapes: Readonly<Record<string, Shape>>
  #rest: Buffer = Buffer.alloc(0)
  /** What is wrong with what came, in words. */
  fault: string | undefined

  constructor(from: 'client' | 'server') {
    this.#shapes = from === 'client' ? FRONTEND : BACKEND
  }

  /** What has come of a message that is not whole. */
  get rest(): Buffer {
    return this.#rest
  }

  push(chunk: Buffer): readonly Framed[] {
    const messages: Framed[] = []
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.fault === undefined && this.#rest.length >= 5) {
      const type = String.fromCharCode(this.#rest[0] ?? 0)
      const length = this.#rest.readInt32BE(1)
      const shape = this.#shapes[type]
      if (shape === undefined || length < 4) {
        this.fault = `type ${JSON.stringify(type)} of length ${length}`
        break
      }
      if (this.#rest.length < 1 + length) break
      const bytes = this.#rest.subarray(0, 1 + length)
      this.#rest = this.#rest.subarray(1 + length)
      try {
        const body = new Walker(bytes.subarray(5))
        shape(body)
        body.end()
      } catch (error) {
        this.fault = `${type}: ${(error as Error).message} (${bytes.subarray(0, 80).toString('latin1')})`
        break
      }
      messages.push({ type, bytes })
    }
    return messages
  }
}

/** A message of this type around these bytes. */
export function framed(type: string, body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body as string)
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(4 + bytes.length, 1)
  return Buffer.concat([head, bytes])
}
