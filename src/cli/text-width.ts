/** Columns that a terminal gives `text`: 2 for East Asian wide characters and emoji, 0 for marks. Without escapes. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const character of text) width += widthOfCharacter(character)
  return width
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u
function widthOfCharacter(character: string): number {
  if (/\p{M}/u.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** Cut to at most `columns`, with `…` where something is missing. For lists only, never for what a reviewer judges. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let cut = ''
  let width = 0
  for (const character of text) {
    const next = width + widthOfCharacter(character)
    if (next > columns - 1) break
    cut += character
    width = next
  }
  return `${cut.trimEnd()}…`
}

/** Break into pieces of at most `columns`, dropping nothing. An exposed character (`⟨U+202E⟩`) stays whole. */
export function hardWrap(text: string, columns: number): readonly string[] {
  const pieces: string[] = []
  let piece = ''
  let width = 0
  for (const [character] of text.matchAll(/⟨U\+[0-9A-F]+⟩|[\s\S]/gu)) {
    const own = widthOf(character)
    if (width + own > columns && piece !== '') {
      pieces.push(piece)
      piece = ''
      width = 0
    }
    piece += character
    width += own
  }
  pieces.push(piece)
  return pieces
}

/** Break at spaces where possible; words longer than a line are broken hard. */
export function softWrap(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (widthOf(longer) <= columns) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    const pieces = hardWrap(word, columns)
    lines.push(...pieces.slice(0, -1))
    line = pieces.at(-1) ?? ''
  }
  lines.push(line)
  return lines
}
