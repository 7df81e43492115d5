import { widthOf } from './text-width.ts'

export interface RowStyle {
  /** `-A`: values separated by `|`. */
  readonly unaligned: boolean
  /** `-t`: neither titles nor the count. */
  readonly tuplesOnly: boolean
}

const NUMBER = /^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/

/** Rows as psql prints them. NULL is empty. `shown` makes a value fit to print. */
export function renderRows(
  names: readonly string[],
  rows: readonly (readonly (string | null)[])[],
  style: RowStyle,
  shown: (text: string) => string,
): string {
  const cells = rows.map((row) => row.map((value) => (value === null ? '' : shown(value))))
  const titles = names.map(shown)
  const count = `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})\n`
  if (style.unaligned) {
    const lines = (style.tuplesOnly ? cells : [titles, ...cells]).map((row) => `${row.join('|')}\n`).join('')
    return style.tuplesOnly ? lines : lines + count
  }
  const widths = titles.map((title, i) =>
    Math.max(style.tuplesOnly ? 0 : widthOf(title), ...cells.map((row) => widthOf(row[i] ?? ''))),
  )
  const isNumber = titles.map((_, i) => {
    const values = rows.flatMap((row) => (typeof row[i] === 'string' ? [row[i]] : []))
    return values.length > 0 && values.every((value) => NUMBER.test(value))
  })
  const centred = (text: string, width: number): string => {
    const space = width - widthOf(text)
    const before = Math.floor(space / 2)
    return ' '.repeat(before) + text + ' '.repeat(space - before)
  }
  const line = (row: readonly string[]): string =>
    `${row
      .map((text, i) => {
        const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(text)))
        if (isNumber[i] === true) return ` ${space}${text} `
        return i === row.length - 1 ? ` ${text}` : ` ${text}${space} `
      })
      .join('|')}\n`
  const body = cells.map(line).join('')
  if (style.tuplesOnly) return `${body}\n`
  const head = `${titles.map((title, i) => ` ${centred(title, widths[i] ?? 0)} `).join('|')}\n`
  const rule = `${widths.map((width) => '-'.repeat(width + 2)).join('+')}\n`
  return `${head}${rule}${body}${count}\n`
}
