import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderManual } from './manual.ts'
import { defineProgram } from './program.ts'

const nothing = (): Promise<void> => Promise.resolve()

test('docs/cli.md says what the commands are', () => {
  const file = new URL('../../docs/cli.md', import.meta.url)
  const manual = renderManual(
    defineProgram({ start: nothing, tour: nothing, backup: nothing, restore: nothing }, nothing),
  )
  if (process.env['HP_UPDATE_TRANSCRIPTS'] === '1') writeFileSync(file, manual)
  expect(readFileSync(file, 'utf8')).toBe(manual)
})
