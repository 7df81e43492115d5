import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { createCredentialReader } from './credential.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'holdpoint-credential-'))
const sealed = { keyId: 'k', bytes: Buffer.from('ciphertext') }
const read = createCredentialReader({
  secrets: { get: async (name) => (name === 'shop-db' || name === 'moved' ? sealed : undefined) },
  sealer: {
    seal: async () => sealed,
    open: async (context) => {
      if (context === 'secret/shop-db') return Buffer.from('s3cret')
      throw new Error('does not open')
    },
  },
  env: { PASSWORD: 'from-env', EMPTY: '' },
})
const file = (name: string, text: string): string => {
  const full = path.join(folder, name)
  writeFileSync(full, text)
  return full
}

describe('createCredentialReader', () => {
  it.each([
    [{ from: 'env', name: 'PASSWORD' } as const, 'from-env'],
    [{ from: 'secret', name: 'shop-db' } as const, 's3cret'],
    [{ from: 'file', path: file('plain', 'line one\nline two\n') } as const, 'line one'],
  ])('reads %j', async (source, value) => {
    expect(await read(source)).toEqual({ ok: true, value })
  })

  it.each([
    [{ from: 'env', name: 'MISSING' } as const, /MISSING/],
    [{ from: 'env', name: 'EMPTY' } as const, /EMPTY/],
    [{ from: 'secret', name: 'nobody' } as const, /no secret named nobody/],
    [{ from: 'secret', name: 'moved' } as const, /cannot be opened/],
    [{ from: 'file', path: 'relative' } as const, /absolute/],
    [{ from: 'file', path: path.join(folder, 'missing') } as const, /ENOENT/],
    [{ from: 'file', path: file('empty', '\n') } as const, /empty/],
    [{ from: 'file', path: file('long', 'x'.repeat(5_000)) } as const, /too long/],
  ])('refuses %j in words without the value', async (source, words) => {
    const result = await read(source)
    expect(result).toMatchObject({ ok: false, refusal: 'target_unreachable', detail: expect.stringMatching(words) })
    expect(JSON.stringify(result)).not.toMatch(/s3cret|from-env|xxxx/)
  })
})
