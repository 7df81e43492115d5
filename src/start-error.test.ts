import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { boot } from './boot.ts'
import { readConfig } from './config.ts'
import { createLog } from './log.ts'
import { reportStartError } from './start-error.ts'

it('a data folder that cannot be made is a sentence with a way out, not a stack', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'hp-start-'))
  try {
    const file = path.join(folder, 'a-file')
    writeFileSync(file, '')
    const config = readConfig({ data: path.join(file, 'data'), listen: '127.0.0.1:0', gateway: '127.0.0.1:0' }, {})
    const said: string[] = []
    const failed: unknown = await boot(config, createLog('silent')).catch((error: unknown) => error)
    expect(reportStartError(failed, (text) => said.push(text))).toBe(1)
    expect(said.join('')).toMatch(/error:.*a-file.*\nhint: {2}choose another data folder with --data DIR\n$/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
