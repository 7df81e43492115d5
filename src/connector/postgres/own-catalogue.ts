import type { AskSession } from '../../app/ports/catalogue.ts'
import type { CatalogueRows } from '../../classify/postgres/catalogue.ts'
import { readFingerprint, readRows } from './catalogue-rows.ts'
import type { Reader } from './catalogue-rows.ts'

/** A session carries its own statements: more objects than this are not read over its line. */
const MOST_OBJECTS = 20_000
const MARK = '"holdpoint.c47a10"'

/** The session could not be asked, or its transaction was not left as it was. */
class NotAsked extends Error {}

/**
 * The catalogue as one session sees it in the transaction that it has open, over its own connection. The session's own
 * search path and temporary objects give no name a meaning meanwhile, and everything that was set is put back by a
 * savepoint.
 * @param known the fingerprint of what is known already.
 * @returns 'same' when it is what is known; undefined when it is too large to be read here.
 * @throws when the session could not be asked; its transaction may have failed then.
 */
export async function readWithin(
  ask: AskSession,
  known: string | undefined,
  target: string,
): Promise<CatalogueRows | 'same' | undefined> {
  const say = async (sql: string): Promise<readonly (readonly (string | null)[])[]> => {
    const rows = await ask(sql)
    if (rows === undefined) throw new NotAsked('the session could not be asked for its catalogue')
    return rows
  }
  const reader: Reader = {
    query: async (text, values = []) => {
      const [row] = await say(`select coalesce(json_agg(q), '[]')::text from (\n${inline(text, values)}\n) q`)
      // As the reader's caller says what the rows are: the same text on a connection of our own gives the same.
      return { rows: JSON.parse(row?.[0] ?? '[]') as never[] }
    },
  }
  await say(`SAVEPOINT ${MARK}`)
  try {
    // Named after pg_catalog, what is temporary is found last.
    await say('SET LOCAL search_path = pg_catalog, pg_temp')
    await say("SET LOCAL statement_timeout = '30s'")
    const fingerprint = await readFingerprint(reader)
    if (fingerprint === known) return 'same'
    const [size] = await say(
      'select (select count(*) from pg_class where oid >= 16384) + (select count(*) from pg_proc where oid >= 16384) + (select count(*) from pg_type where oid >= 16384)',
    )
    if (!(Number(size?.[0]) <= MOST_OBJECTS)) return undefined
    const rows = await readRows(reader, target)
    // Others may change it while it is read, and nothing here is one snapshot.
    return (await readFingerprint(reader)) === rows.fingerprint ? rows : undefined
  } finally {
    await say(`ROLLBACK TO SAVEPOINT ${MARK}`)
    await say(`RELEASE SAVEPOINT ${MARK}`)
  }
}

/** The values of these queries are lists of words of our own. */
const inline = (text: string, values: readonly unknown[]): string =>
  text.replaceAll(/\$([1-9])/g, (_, number: string) => {
    const value = values[Number(number) - 1]
    if (!Array.isArray(value) || !value.every((one) => /^[a-z0-9_-]+$/.test(String(one))))
      throw new Error('a value that is not a list of words')
    return `'{${value.join(',')}}'::text[]`
  })
