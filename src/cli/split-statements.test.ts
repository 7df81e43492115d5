import fc from 'fast-check'
import { parse } from 'libpg-query'
import { expect, test } from 'vitest'
import { splitStatements } from './split-statements.ts'

const STATEMENTS = [
  'SELECT 1;',
  "SELECT ';' ;",
  "SELECT 'it''s; fine';",
  "SELECT E'a\\';b';",
  "SELECT 'a\\';",
  'SELECT 1 AS "a;""b";',
  'SELECT $$ ; $$;',
  'SELECT $t$ ; $$ ; $t$;',
  'SELECT 1 -- ; not here\n;',
  'SELECT 1 /* ; /* ; */ ; */;',
  'SELECT a$1$b FROM (SELECT 1 AS a$1$b) t;',
  'DO $body$ BEGIN PERFORM 1; END $body$;',
]

test('statements are cut where the real parser ends them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...STATEMENTS), { maxLength: 6 }), async (chosen) => {
      const text = chosen.join('\n')
      const { whole, rest } = splitStatements(text)
      expect(whole.join('') + rest).toBe(text)
      const found = text === '' ? [] : ((await parse(text)) as { stmts?: unknown[] }).stmts
      expect(whole).toHaveLength(found?.length ?? 0)
    }),
  )
})

test('what is not finished waits for more', () => {
  for (const text of ["SELECT 'a;", 'SELECT "a;', 'SELECT $x$ ;', 'SELECT /* ;', '-- ;'])
    expect(splitStatements(text)).toEqual({ whole: [], rest: text })
})

test('nothing is lost of any text', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(';', "'", '"', '$', 'a', '-', '/', '*', '\n', '\\', 'E') }),
      (text) => {
        const { whole, rest } = splitStatements(text)
        return whole.join('') + rest === text
      },
    ),
  )
})
