import type { Parser, Tree } from './parser.ts'
import { normalise } from './scan.ts'
import { findSecrets, toBytes } from './secrets.ts'
import type { Classified, StatementShape } from './shape.ts'
import { shapeStatement } from './statements.ts'
import type { Context } from './walk.ts'

/** Longest text whose statements are read all at once, which is a little faster. */
const WHOLE = 64 * 1024

export interface Looked {
  readonly classified: Classified
  /** The same may stand for every text that differs in plain literals only. */
  readonly shared: boolean
}

/**
 * What a text is, by the parser and nothing remembered. May throw where the parser or the walk overflows.
 * Statements of one shape are one object: a script of inserts is as small as one of them.
 */
export function look(text: string, parser: Parser, context: Context): Looked {
  const statements: StatementShape[] = []
  const alike = new Map<string, StatementShape>()
  let shared = true
  const take = (statement: Tree): void => {
    const shaped = shapeStatement(statement, context)
    shared &&= shaped.shared
    statements.push(oneOf(alike, shaped.shape))
  }
  const parsed = text.length > WHOLE ? parser.parseEach(text, take) : parser.parse(text)
  if (parsed.kind === 'syntax_error' || parsed.kind === 'failed') return { classified: parsed, shared: false }
  if (parsed.kind === 'tree') for (const { stmt } of parsed.statements) take(stmt)
  const secrets = toBytes(text, findSecrets(text))
  return {
    classified: { kind: 'statements', statements, normalised: normalise(text), secrets },
    shared: shared && secrets.length === 0 && statements.length > 0,
  }
}

function oneOf(alike: Map<string, StatementShape>, shape: StatementShape): StatementShape {
  const key = JSON.stringify(shape)
  const known = alike.get(key)
  if (known === undefined) alike.set(key, shape)
  return known ?? shape
}
