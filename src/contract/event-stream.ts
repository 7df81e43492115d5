/** One event of a `text/event-stream` (WHATWG HTML, section 9.2). */
export interface StreamedEvent {
  readonly id: string | undefined
  readonly event: string
  readonly data: string
}

/** One event larger than this ends the stream with an error: the server never sends one. */
const LONGEST = 8 * 1024 * 1024

/**
 * Text in, events out. Give it decoded text in any pieces; it keeps what is not finished. Comments and `retry:`
 * are dropped, as are events without data; `moved` is told of their id, which counts all the same.
 */
export function createEventParser(moved?: (id: string) => void): (text: string) => readonly StreamedEvent[] {
  let rest = ''
  let id: string | undefined
  let named = false
  let event = ''
  let data: string[] = []
  return (text) => {
    rest += text
    if (rest.length > LONGEST) throw new RangeError('an event of the stream is too large')
    const events: StreamedEvent[] = []
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(rest)
      if (end === null) return events
      const line = rest.slice(0, end.index)
      rest = rest.slice(end.index + end[0].length)
      if (line === '') {
        if (data.length === 0 && named && id !== undefined) moved?.(id)
        named = false
        if (data.length > 0) events.push({ id, event: event === '' ? 'message' : event, data: data.join('\n') })
        event = ''
        data = []
        continue
      }
      const colon = line.indexOf(':')
      const field = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
      if (field === 'id' && !value.includes('\0')) [id, named] = [value, true]
      else if (field === 'event') event = value
      else if (field === 'data') data.push(value)
    }
  }
}
