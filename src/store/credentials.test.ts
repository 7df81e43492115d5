import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SecretStore, Sealed } from '../app/ports/secrets.ts'
import type { Store } from '../app/ports/store.ts'
import { createCredentialReader } from './credentials.ts'
import { openKeyring } from './keyring.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-credentials-'))
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function reader(kept: Readonly<Record<string, Sealed>> = {}) {
  const secrets = { get: (name: string) => Promise.resolve(kept[name]) } as unknown as SecretStore
  const sealer = await openKeyring(join(folder, 'data'), {})
  const env = {
    PAYMENTS_PASSWORD: 'from-env',
    EMPTY: '',
    HP_KEYRING: 'keys',
    DATABASE_URL: 'postgres://u:p@h/d',
    PGPASSWORD: 'p',
  }
  return {
    sealer,
    read: createCredentialReader({
      store: { secrets } as unknown as Store,
      sealer,
      env,
      dataDir: join(folder, 'data'),
    }),
  }
}

test('from a sealed secret, the environment, or a private file without its last newline', async () => {
  const { sealer } = await reader()
  const { read } = await reader({ shop: await sealer.seal('secret/shop', Buffer.from('from-secret')) })
  const path = join(folder, 'password')
  writeFileSync(path, 'from file \n', { mode: 0o600 })
  expect(await read({ from: 'secret', name: 'shop' })).toEqual({ ok: true, value: 'from-secret' })
  expect(await read({ from: 'env', name: 'PAYMENTS_PASSWORD' })).toEqual({ ok: true, value: 'from-env' })
  expect(await read({ from: 'file', path })).toEqual({ ok: true, value: 'from file ' })
})

test('what is missing or broken is a sentence, and never a value', async () => {
  const { sealer } = await reader()
  const { read } = await reader({ moved: await sealer.seal('secret/other', Buffer.from('value')) })
  const refused = { ok: false, refusal: 'target_unreachable' }
  expect(await read({ from: 'secret', name: 'none' })).toEqual({
    ...refused,
    detail: 'there is no secret none; set it with: hp secret set none',
  })
  expect(await read({ from: 'secret', name: 'moved' })).toEqual({
    ...refused,
    detail: 'the secret moved cannot be opened now',
  })
  expect(await read({ from: 'env', name: 'NONE' })).toMatchObject(refused)
  expect(await read({ from: 'env', name: 'EMPTY' })).toMatchObject(refused)
  expect(await read({ from: 'file', path: join(folder, 'none') })).toMatchObject({
    ...refused,
    detail: expect.stringMatching(/cannot be read \(ENOENT\)/),
  })
})

test.each(['HP_KEYRING', 'DATABASE_URL', 'PGPASSWORD'])(
  "a profile cannot send Holdpoint's own %s to its target",
  async (name) => {
    const { read } = await reader()
    expect(await read({ from: 'env', name })).toMatchObject({ refusal: 'target_unreachable' })
  },
)

test("nor a file of Holdpoint's own, by whatever way; nor one that others may read, or that is no file", async () => {
  const { read } = await reader()
  symlinkSync(join(folder, 'data', 'keyring'), join(folder, 'link'))
  writeFileSync(join(folder, 'open'), 'secret', { mode: 0o600 })
  chmodSync(join(folder, 'open'), 0o644)
  for (const path of [
    join(folder, 'data', 'keyring'),
    join(folder, 'link'),
    `${folder}/x/../data/keyring`,
    'data/keyring',
    join(folder, 'open'),
    folder,
    '/dev/zero',
  ]) {
    expect({ path, ...(await read({ from: 'file', path })) }).toMatchObject({ path, refusal: 'target_unreachable' })
  }
})
