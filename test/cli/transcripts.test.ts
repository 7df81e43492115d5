import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startHttp } from '../support/http.ts'
import { play, readTranscript } from './transcript.ts'
import { NOW, worlds } from './worlds.ts'

process.env['TZ'] = 'UTC'
const folder = new URL('./', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))

test.each(names)('%s', async (name) => {
  const file = new URL(name, folder)
  const text = readFileSync(file, 'utf8')
  const transcript = readTranscript(text)
  const world = worlds[transcript.world]
  if (world === undefined) throw new Error(`there is no world ${transcript.world}`)
  await using server = await startHttp(world())
  const env = { HP_URL: server.url, HP_TOKEN: 'token-mia' }
  const seen = await play(transcript, { origin: server.url, env, now: NOW })
  const files = text.slice(seenLength(text))
  // Rewrites the files with what was seen, to be read before it is committed.
  if (process.env['HP_UPDATE_TRANSCRIPTS'] === '1') writeFileSync(file, seen + files)
  expect(seen).toBe(text.slice(0, seenLength(text)))
})

/** Where the files of a transcript begin. */
function seenLength(text: string): number {
  const at = text.search(/^-- /m)
  return at < 0 ? text.length : at
}

test.each(['--version', '-V'])('hp %s is hp version', async (flag) => {
  const around = { origin: 'http://127.0.0.1:1', env: {}, now: NOW }
  const told = async (line: string): Promise<string> => {
    const seen = await play(readTranscript(`$ hp ${line}\n`), around)
    return seen.replace(`$ hp ${line}\n`, '')
  }
  expect(await told(flag)).toMatch(/^\d+\.\d+\.\d+\n/)
  expect(await told(flag)).toBe(await told('version'))
})
