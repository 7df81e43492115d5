import { oneLine } from './exposed-text.ts'
import { paint } from './terminal.ts'
import type { Style, Terminal } from './terminal.ts'
import { fit, widthOf } from './text-width.ts'

export interface Column<Row> {
  readonly title: string
  /** Somebody else's text is made safe here; nothing else needs to. */
  readonly cell: (row: Row) => string
  /** The cell is safe already, and may hold `⟨U+....⟩`. */
  readonly safe?: true
  readonly style?: (row: Row) => Style | undefined
  readonly align?: 'right'
  /** May be cut down to this width when the terminal is narrow. */
  readonly shrinkTo?: number
  /** Left out first, highest number first, when shrinking is not enough. */
  readonly dropAt?: number
}

const GAP = 2

/** Rows under their titles, as wide as the terminal. Away from a terminal nothing is cut or left out. */
export function renderTable<Row>(
  terminal: Pick<Terminal, 'columns' | 'colour'>,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  indent = '',
): string {
  const cells = new Map(
    columns.map((column) => [
      column,
      rows.map((row) => (column.safe === true ? column.cell(row) : oneLine(column.cell(row)))),
    ]),
  )
  const natural = (column: Column<Row>): number =>
    Math.max(widthOf(column.title), ...(cells.get(column) ?? []).map(widthOf))
  const least = (column: Column<Row>): number => Math.min(natural(column), column.shrinkTo ?? natural(column))
  const total = (shown: readonly Column<Row>[], width: (column: Column<Row>) => number): number =>
    shown.reduce((sum, column) => sum + width(column) + GAP, indent.length - GAP)

  const room = terminal.columns ?? Number.POSITIVE_INFINITY
  let shown = [...columns]
  while (total(shown, least) > room) {
    const droppable = shown.filter((column) => column.dropAt !== undefined)
    if (droppable.length === 0) break
    const dropped = droppable.reduce((a, b) => ((a.dropAt ?? 0) >= (b.dropAt ?? 0) ? a : b))
    shown = shown.filter((column) => column !== dropped)
  }
  const widths = new Map(shown.map((column) => [column, natural(column)]))
  // The widest gives first, so that no column starves while another sprawls.
  for (let over = total(shown, (column) => widths.get(column) ?? 0) - room; over > 0; over--) {
    const able = shown.filter((column) => (widths.get(column) ?? 0) > least(column))
    if (able.length === 0) break
    const widest = able.reduce((a, b) => ((widths.get(a) ?? 0) > (widths.get(b) ?? 0) ? a : b))
    widths.set(widest, (widths.get(widest) ?? 0) - 1)
  }

  const line = (text: (column: Column<Row>) => string, style: (column: Column<Row>) => Style | undefined): string => {
    const parts = shown.map((column, i) => {
      const width = widths.get(column) ?? 0
      const cut = fit(text(column), width)
      const pad = ' '.repeat(Math.max(0, width - widthOf(cut)))
      const chosen = style(column)
      const painted = chosen === undefined ? cut : paint(terminal, chosen, cut)
      if (column.align === 'right') return pad + painted
      return i === shown.length - 1 ? painted : painted + pad
    })
    return indent + parts.join(' '.repeat(GAP)).trimEnd()
  }
  return [
    line(
      (column) => column.title,
      () => 'dim',
    ),
    ...rows.map((row, i) =>
      line(
        (column) => cells.get(column)?.[i] ?? '',
        (column) => column.style?.(row),
      ),
    ),
  ]
    .map((text) => `${text}\n`)
    .join('')
}

/** `name  value` lines; pairs without a value are left out. Values must be safe already. */
export function renderPairs(
  terminal: Pick<Terminal, 'colour'>,
  pairs: readonly (readonly [string, string | undefined])[],
  indent = '',
): string {
  const present = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined && pair[1] !== '')
  const width = Math.max(0, ...present.map(([name]) => name.length))
  return present
    .map(([name, value]) => {
      const [first = '', ...more] = value.split('\n')
      const hang = ' '.repeat(indent.length + width + GAP)
      return [
        `${indent}${paint(terminal, 'dim', name.padEnd(width))}${' '.repeat(GAP)}${first}`,
        ...more.map((line) => hang + line),
      ]
        .map((line) => `${line}\n`)
        .join('')
    })
    .join('')
}
