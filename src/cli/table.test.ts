import fc from 'fast-check'
import { expect, test } from 'vitest'
import { renderTable } from './table.ts'
import { fit, hardWrap, softWrap, widthOf } from './text-width.ts'

const word = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '漢', 'é', '😀'), maxLength: 60 })

test('a table is never wider than the terminal when its columns may shrink', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ a: word, b: word, c: word }), { maxLength: 5 }),
      fc.integer({ min: 40, max: 200 }),
      (rows, columns) => {
        const text = renderTable({ columns, colour: false }, rows, [
          { title: 'A', cell: (row) => row.a, shrinkTo: 4 },
          { title: 'B', cell: (row) => row.b, shrinkTo: 4 },
          { title: 'C', cell: (row) => row.c, shrinkTo: 30, dropAt: 1 },
        ])
        for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(columns)
      },
    ),
  )
})

test('away from a terminal nothing is cut or left out', () => {
  const long = 'x'.repeat(500)
  const text = renderTable(
    { columns: undefined, colour: false },
    [{ long }],
    [{ title: 'L', cell: (row) => row.long, shrinkTo: 3, dropAt: 1 }],
  )
  expect(text).toContain(long)
})

test('what a cell holds cannot move the cursor', () => {
  const text = renderTable({ columns: 80, colour: false }, ['\u001b[2J\nx'], [{ title: 'T', cell: (row) => row }])
  expect(text).toBe('T\n⟨U+001B⟩[2J⟨U+000A⟩x\n')
})

test('wrapping loses nothing and keeps to the width', () => {
  fc.assert(
    fc.property(word, fc.integer({ min: 4, max: 40 }), (text, columns) => {
      expect(hardWrap(text, columns).join('')).toBe(text)
      expect(softWrap(text, columns).join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
      for (const line of [...hardWrap(text, columns), ...softWrap(text, columns), fit(text, columns)])
        expect(widthOf(line)).toBeLessThanOrEqual(columns)
    }),
  )
})
