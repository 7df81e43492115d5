import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { processesIn } from '../store/embedded/process.ts'
import { start } from './child.ts'
import type { Child } from './child.ts'

const HP = fileURLToPath(new URL('../../hp', import.meta.url))

let folder: string
const play = (...args: readonly string[]): Child => start(HP, ['tour', ...args], { ...process.env, TMPDIR: folder })
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'holdpoint-'))
  // The embedded PostgreSQL runs as somebody else when this runs as root.
  await chmod(folder, 0o755)
})
afterEach(async () => {
  expect(await readdir(folder)).toEqual([])
  await rm(folder, { recursive: true })
})

test('every promise is kept, and nothing is left behind', { timeout: 240_000 }, async () => {
  const tour = play('--json')
  const code = await tour.ended
  const lines = tour
    .out()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const end = lines.pop()
  expect(lines.filter((line) => line['ok'] !== true)).toEqual([])
  expect(end).toEqual({ passed: lines.length, failed: 0 })
  expect(lines.length).toBeGreaterThan(10)
  for (const line of lines) expect(Object.keys(line).toSorted()).toEqual(['milliseconds', 'name', 'ok'])
  expect(code).toBe(0)
})

test('Ctrl-C ends it with 130, and nothing is left behind', { timeout: 120_000 }, async () => {
  const tour = play()
  await tour.says(/asks nobody/)
  const world = (await readdir(folder)).find((name) => name.startsWith('holdpoint-tour-')) ?? ''
  const cluster = path.join(folder, world, 'data', 'postgres')
  expect((await processesIn(cluster)).length).toBeGreaterThan(0)
  tour.interrupt()
  expect(await tour.ended).toBe(130)
})
