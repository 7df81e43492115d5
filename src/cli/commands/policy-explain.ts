import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { z } from 'zod'
import { capWords } from '../../domain/policy/row-cap.ts'
import type { RowCap } from '../../domain/policy/row-cap.ts'
import { ExplainInput } from '../../contract/documents.ts'
import type { Answer } from '../../contract/routes.ts'
import type { Cli } from '../cli.ts'
import { EXIT, usage } from '../exit.ts'
import { exposeLines, oneLine } from '../exposed-text.ts'
import { optional } from '../optional.ts'
import { reasonOf } from '../private-file.ts'
import { problemSentence } from '../report-error.ts'
import { requirementWords } from '../request-words.ts'
import { readStandardInput } from '../standard-input.ts'

type Explained = Answer<'explain'>
type Question = z.output<typeof ExplainInput>

interface Input {
  readonly id?: string
  readonly as?: string
  readonly on?: string
  readonly sql?: string
  readonly verb?: string
  readonly rows?: string
  readonly at?: string
  readonly batch?: string
}

/** The server takes so many at once. */
const BATCH = 1_000
const LARGEST_BATCH = 64 * 1024 * 1024
/** Bytes of questions in one call, well under the server's 4 MiB. */
const CALL_BYTES = 2 * 1024 * 1024

export async function run(cli: Cli, input: Input): Promise<number> {
  if (input.batch !== undefined) return explainBatch(cli, input.batch)
  const client = await cli.api()
  const explained =
    input.id === undefined
      ? await client.call('explain', { body: questionOf(input) })
      : await client.call('explainRequest', { params: { id: input.id } })
  if (cli.wantsJson) cli.json({ ...explained })
  else cli.print(renderExplained(cli, explained))
  return EXIT.ok
}

function questionOf(input: Input): Question {
  if (input.as === undefined || input.on === undefined || (input.sql === undefined) === (input.verb === undefined)) {
    throw usage(
      'explain needs the id of a request, or --as, --on and one of --sql and --verb',
      'hp policy explain --as ana --on shop-db --sql "DELETE FROM carts"',
    )
  }
  if (input.rows !== undefined && !/^[0-9]{1,15}$/.test(input.rows)) throw usage('--rows must be a whole number')
  if (input.at !== undefined && Number.isNaN(Date.parse(input.at)))
    throw usage('--at must be a time such as 2026-11-23T14:32:00Z')
  return {
    as: input.as,
    on: input.on,
    ...optional({
      sql: input.sql,
      verb: input.verb,
      estimate: input.rows === undefined ? undefined : { rows: Number(input.rows) },
      at: input.at === undefined ? undefined : new Date(input.at).toISOString(),
    }),
  }
}

/** One answer a question, in order; a question that cannot be answered gives a line with `error`, and exit code 1. */
async function explainBatch(cli: Cli, file: string): Promise<number> {
  const text = file === '-' ? await readStandardInput(cli, LARGEST_BATCH) : readBatch(cli, file)
  // Every line has its answer at its place; only what follows the last line break is no line.
  const lines = text.split('\n')
  if (lines.at(-1)?.trim() === '') lines.pop()
  const questions = lines.map(readQuestion)
  const client = await cli.api()
  let failed = false
  let start = 0
  while (start < questions.length) {
    const part = questions.slice(start, endOfCall(questions, start))
    start += part.length
    const asked = part.flatMap((one) => (one.question === undefined ? [] : [one.question]))
    const answers = asked.length === 0 ? [] : (await client.call('explainBatch', { body: { items: asked } })).items
    let next = 0
    for (const { question, error } of part) {
      const answer = question === undefined ? undefined : answers[next++]
      if (question !== undefined && answer?.ok === true) {
        const { verb, verbs, decision, rules, reviews, ...rest } = answer.explained
        cli.json({ as: question.as, on: question.on, verb, verbs, decision, rules, reviews, ...rest })
        continue
      }
      failed = true
      const code = answer?.ok === false ? answer.code : 'invalid_input'
      const words = answer?.ok === false ? problemSentence(answer.title, answer.detail) : (error ?? 'no answer')
      cli.json({ ...(question === undefined ? {} : { as: question.as, on: question.on }), error: code, message: words })
    }
  }
  return failed ? EXIT.failed : EXIT.ok
}

function endOfCall(questions: readonly { readonly bytes: number }[], start: number): number {
  let bytes = 0
  let end = start
  while (end < questions.length && end - start < BATCH) {
    bytes += questions[end]?.bytes ?? 0
    if (bytes > CALL_BYTES && end > start) break
    end++
  }
  return end
}

interface Asked {
  readonly bytes: number
  readonly question?: Question
  readonly error?: string
}

function readQuestion(line: string): Asked {
  const bytes = Buffer.byteLength(line)
  let value: unknown
  try {
    value = JSON.parse(line) as unknown
  } catch {
    return { bytes, error: 'this line is not JSON' }
  }
  const parsed = ExplainInput.safeParse(value)
  if (parsed.success) return { bytes, question: parsed.data }
  const first = parsed.error.issues[0]
  const wrong = first?.code === 'unrecognized_keys' ? unknownKeys(first.keys, first.path) : first?.message
  return { bytes, error: [first?.path.join('.'), wrong ?? 'not valid'].filter(Boolean).join(': ') }
}

/** Which keys are not known, and which are: of a question, or of its estimate. */
function unknownKeys(keys: readonly string[], path: readonly PropertyKey[]): string {
  const known = path[0] === 'estimate' ? ExplainInput.shape.estimate.unwrap().shape : ExplainInput.shape
  const given = keys.map((key) => `"${key}"`).join(', ')
  const taker = path.length === 0 ? 'a question' : 'it'
  return `there ${keys.length === 1 ? 'is no key' : 'are no keys'} ${given}; ${taker} takes ${Object.keys(known).join(', ')}`
}

function readBatch(cli: Cli, file: string): string {
  try {
    return readFileSync(path.resolve(cli.terminal.cwd, file), 'utf8')
  } catch (cause) {
    throw usage(`${oneLine(file)}: ${reasonOf(cause)}`)
  }
}

function renderExplained(cli: Cli, explained: Explained): string {
  const style = ({ allow: 'green', hold: 'yellow', deny: 'red' } as const)[explained.decision]
  const reviews = explained.reviews
    .map(
      (one) =>
        `  needs ${requirementWords(one.key, one.count)}${one.people.length === 0 ? '' : ` (${one.people.map(oneLine).join(', ')})`}\n`,
    )
    .join('')
  const message = explained.message === undefined ? '' : `  ${oneLine(explained.message)}\n`
  const cause = explained.cause === 'rule' ? '' : `  because: ${oneLine(explained.cause.replaceAll('_', ' '))}\n`
  const trace = [...explained.trace]
    .sort((a, b) => Number(b.matched) - Number(a.matched))
    .map((rule) => {
      const place =
        rule.path === undefined
          ? ''
          : cli.paint('dim', `  ${oneLine([rule.path, rule.line].filter((part) => part !== undefined).join(':'))}`)
      const mark =
        rule.failed === undefined
          ? rule.matched
            ? cli.paint('green', '✓')
            : cli.paint('dim', '✗')
          : cli.paint('red', '!')
      // Of a rule that does not match, only what it failed on says why.
      const clauses = rule.clauses
        .filter((clause) => rule.matched || !clause.holds)
        .map((clause) => {
          const text = exposeLines(clause.text.trim()).join(' ')
          return `      ${clause.holds ? '✓' : '✗'} ${text}${clause.saw === '' ? '' : cli.paint('dim', `  saw ${oneLine(clause.saw)}`)}\n`
        })
        .join('')
      const failed = rule.failed === undefined ? '' : `      ${cli.paint('red', oneLine(rule.failed))}\n`
      return `  ${mark} ${rule.effect.padEnd(5)} ${oneLine(rule.rule)}${place}\n${clauses}${failed}`
    })
    .join('')
  const flip = explained.flip === undefined ? '' : `\n${oneLine(explained.flip)}\n`
  const verbs = explained.verbs.length === 0 ? oneLine(explained.verb) : explained.verbs.map(oneLine).join(', ')
  const estimate =
    explained.estimate === undefined
      ? ''
      : `  estimate: ${explained.estimate.rows.toLocaleString('en')} rows, cost ${explained.estimate.cost.toLocaleString('en')}\n`
  const cap = explained.rowCap === undefined ? '' : `  touches ${capWords(explained.rowCap as RowCap)}\n`
  const returns =
    explained.rowsAtMost === undefined
      ? ''
      : `  returns at most ${explained.rowsAtMost.toLocaleString('en')} rows; more are an export\n`
  const rules = explained.rules.length === 0 ? '' : ` by ${explained.rules.map(oneLine).join(', ')}`
  return `${cli.paint(style, explained.decision)} ${verbs}${rules} ${cli.paint('dim', `(revision ${explained.revision})`)}\n${message}${cause}${estimate}${cap}${returns}${reviews}\n${trace}${flip}`
}
