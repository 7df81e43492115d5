/**
 * Text from elsewhere, made safe and honest to look at. What cannot be seen, what moves other text about, and
 * what looks like something else is written as `⟨U+202E⟩`; the opening bracket itself is too, so nothing can
 * pretend to be such an escape.
 */

const escapeOf = (character: string): string =>
  `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`

/** Control (C0, C1, DEL), format, unassigned, surrogate, separators other than the space, ignorable, blank-looking. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u27e8]|(?! )\p{Zs}/u
const EVERY_UNSEEN = new RegExp(UNSEEN, 'gu')

/** One line of somebody else's text, without anything a terminal would obey or an eye would miss. */
export const oneLine = (text: string): string => text.replace(EVERY_UNSEEN, escapeOf)

/** JSON with the same value, in which nothing reaches a terminal as a control: all but ASCII's printable part and seen letters is `\u` escaped. */
export const safeJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, undefined, indent).replace(
    /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu,
    (character) =>
      character === '\n'
        ? character
        : [...Array(character.length).keys()]
            .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
            .join(''),
  )

/** Letters of other scripts that most fonts draw like an ASCII letter or digit (from Unicode TR 39's confusables, the common part). */
const LOOK_ALIKE = new Set(
  'аеорсухіјѕԁԛԝһӏьбгпАВЕКМНОРСТУХІЈЅԚԜҺӀЗαοορυνικτωγηεΑΒΕΖΗΙΚΜΝΟΡΤΥΧϲϹϳͿօսոցհյզԼՏՍտℓıȷɑɡɩʟᴏᴜᴠᴡᴢᴄՕОАꓐꓑꓓꓔꓖꓗꓘꓙꓚꓜꓝꓞꓟꓠꓡꓢꓣꓤꓦꓧꓨꓪꓫꓬꓮꓰꓲꓳꓴᎪᎳᏃᎠᏒᎻᏟᎬᏀᎫᏦᏞᎷᏢᏚᎢᏙ',
)
const SCRIPTS = [
  /\p{Script=Latin}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
  /\p{Script=Lisu}/u,
]
const WORD = /[\p{L}\p{N}_]+/gu
/** Marks of any kind, look-alike punctuation, digits and letters in other shapes: never needed to write SQL itself. */
const ODD = /[^\p{ASCII}]/u
/** Written by Holdpoint itself in a change of documents, and like nothing else. */
const ARROW = '→'
const ODD_KINDS = /[\p{M}\p{P}\p{Sk}\p{Sm}\p{Lm}\p{N}\u2500-\u257f]/u
const isOdd = (character: string): boolean =>
  ODD.test(character) && character !== ARROW && (ODD_KINDS.test(character) || character.normalize('NFKC') !== character)

/**
 * Letters of one word that must be shown as code points: a word that could pass for one in ASCII, or that mixes
 * ASCII with another alphabet. A word that is plainly Cyrillic or Greek stays readable.
 */
function exposeWord(word: string): string {
  const letters = Array.from(word)
  const other = letters.filter((letter) => ODD.test(letter))
  if (other.length === 0) return word
  const mixed = SCRIPTS.filter((script) => script.test(word)).length > 1
  const plainlyOther = other.some((letter) => !LOOK_ALIKE.has(letter) && !/\p{Script=Latin}/u.test(letter))
  return letters
    .map((letter) => {
      if (!ODD.test(letter)) return letter
      if (isOdd(letter)) return escapeOf(letter)
      if (LOOK_ALIKE.has(letter) && (mixed || !plainlyOther)) return escapeOf(letter)
      return mixed && !/\p{Script=Latin}/u.test(letter) ? escapeOf(letter) : letter
    })
    .join('')
}

/**
 * A payload as a reviewer must see it, line by line: two different payloads never look alike. Only a line feed
 * breaks a line; tabs, carriage returns and spaces at the end of a line are shown as code points.
 */
export function exposeLines(text: string): readonly string[] {
  return text.split('\n').map((line) => {
    let shown = ''
    let at = 0
    const between = (part: string): string =>
      Array.from(part)
        .map((character) => (UNSEEN.test(character) || isOdd(character) ? escapeOf(character) : character))
        .join('')
    for (const word of line.matchAll(WORD)) {
      shown += between(line.slice(at, word.index)) + exposeWord(word[0])
      at = word.index + word[0].length
    }
    shown += between(line.slice(at))
    return shown.replace(/ +$/, (spaces) => escapeOf(' ').repeat(spaces.length))
  })
}

/** Whether `exposeLines` would show anything of it as a code point. */
export const hasExposed = (text: string): boolean => exposeLines(text).join('\n') !== text
