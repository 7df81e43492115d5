import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkKeyring, KeyringError, parseKeyring, readKeyring } from './keyring.ts'
import { ExposedFile } from './private-file.ts'
import { createSealer } from './sealing.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-keyring-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = () => join(folder, 'data', 'keyring')
const keyring = () => readKeyring(join(folder, 'data'), {})

test('the first start makes a keyring that only its owner may read, and every later one reads the same', () => {
  const made = keyring()
  expect(statSync(file()).mode & 0o777).toBe(0o600)
  expect(keyring()).toEqual(made)
  expect(readdirSync(join(folder, 'data'))).toEqual(['keyring'])
})

test.each([0o640, 0o604, 0o620, 0o644, 0o666])('a keyring with mode %o is refused', (mode) => {
  keyring()
  chmodSync(file(), mode)
  expect(keyring).toThrow(ExposedFile)
  expect(keyring).toThrow(/chmod 600/)
})

test('it comes from the environment or from a file that is named there, and a named file is never made', () => {
  const text = (keyring(), readFileSync(file(), 'utf8'))
  expect(readKeyring('/nonexistent', { HP_KEYRING: text })).toEqual(keyring())
  expect(readKeyring('/nonexistent', { HP_KEYRING_FILE: file() })).toEqual(keyring())
  expect(() => readKeyring('/nonexistent', { HP_KEYRING_FILE: join(folder, 'missing') })).toThrow(/ENOENT/)
})

test.each([
  '',
  '# nothing',
  'abc',
  `0123456789abcdef:${Buffer.alloc(32).toString('base64')}`,
  `c9a2cf4d5392d048:${Buffer.alloc(31).toString('base64')}`,
])('the keyring %j is refused, without repeating it', (text) => {
  expect(() => parseKeyring(text, 'it')).toThrow(KeyringError)
  expect(() => parseKeyring(text, 'it')).not.toThrow(/AAAA/)
})

test('after a new key was put first, old values open and new ones use it; without the old key they do not', async () => {
  const old = keyring()
  const sealed = await createSealer(old).seal('secret/x', Buffer.from('value'))
  rmSync(file())
  const newText = (keyring(), readFileSync(file(), 'utf8'))
  const oldText = [...old.keys].map(([id, key]) => `${id}:${key.toString('base64')}`).join('\n')
  writeFileSync(file(), `${newText}\n# before\n${oldText}\n`)
  const both = createSealer(keyring())
  expect((await both.open('secret/x', sealed)).toString()).toBe('value')
  expect((await both.seal('secret/x', Buffer.from('value'))).keyId).not.toBe(sealed.keyId)
  const onlyNew = parseKeyring(newText, 'it')
  await expect(createSealer(onlyNew).open('secret/x', sealed)).rejects.toThrow(/not in the keyring/)
  expect(() => checkKeyring(onlyNew, [sealed.keyId])).toThrow(KeyringError)
  checkKeyring(keyring(), [sealed.keyId])
})

test('what is sealed opens as it was, only for its own context, and never after any change', async () => {
  const sealer = createSealer(parseKeyring(`c9a2cf4d5392d048:${Buffer.alloc(32).toString('base64')}`, 'it'))
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.string(),
      fc.string(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (value, context, other, at, flip) => {
        const sealed = await sealer.seal(context, Buffer.from(value))
        expect(await sealer.open(context, sealed)).toEqual(Buffer.from(value))
        await expect(sealer.open(`${context}${other}!`, sealed)).rejects.toThrow()
        const changed = Buffer.from(sealed.bytes)
        changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ flip
        await expect(sealer.open(context, { ...sealed, bytes: changed })).rejects.toThrow()
        await expect(
          sealer.open(context, { ...sealed, bytes: sealed.bytes.subarray(0, at % sealed.bytes.length) }),
        ).rejects.toThrow()
      },
    ),
    { numRuns: 60 },
  )
})
