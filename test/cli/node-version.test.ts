import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Runs with a Node that says it is an older one, and that cannot import more than the first file. */
const OLDER = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.4' } })
  registerHooks({
    resolve(specifier, context, next) {
      if (context.parentURL?.endsWith('/main.ts')) throw new SyntaxError('obscure')
      return next(specifier, context)
    },
  })`)}`

test('an older Node is told which one is needed, before anything else is loaded', async () => {
  const ended = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, ['--import', OLDER, main, 'version'], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })
  expect(ended).toEqual({ code: 1, stdout: '', stderr: 'error: Holdpoint needs Node 24 or newer; this is v20.19.4\n' })
})
