import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createEventParser } from './event-stream.ts'

it('finds the same events at whatever positions the text is split', () => {
  const text =
    ': hello\nretry: 2000\n\nid: 1\nevent: a.b\ndata: {"x":1}\n\n: beat\n\nid: 2\r\ndata: one\r\ndata:two\r\n\r\ndata\n\n'
  const whole = createEventParser()(text)
  expect(whole).toEqual([
    { id: '1', event: 'a.b', data: '{"x":1}' },
    { id: '2', event: 'message', data: 'one\ntwo' },
    { id: '2', event: 'message', data: '' },
  ])
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
      const parse = createEventParser()
      const at = [0, ...cuts.toSorted((a, b) => a - b), text.length]
      expect(at.slice(1).flatMap((end, i) => parse(text.slice(at[i], end)))).toEqual(whole)
    }),
  )
})

it('does not grow without end on a server that never ends an event', () => {
  const parse = createEventParser()
  expect(() => {
    for (let i = 0; i < 10; i++) parse('x'.repeat(1024 * 1024))
  }).toThrow(RangeError)
})

it('tells of an id that comes without data, once, and of no other', () => {
  const moved: string[] = []
  const parse = createEventParser((id) => moved.push(id))
  parse('retry: 1\nid: a\n\n: beat\n\nid: b\ndata: x\n\n: beat\n\nid: c\n\n')
  expect(moved).toEqual(['a', 'c'])
})
