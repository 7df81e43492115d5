import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readPrivateFile } from './private-file.ts'
import { chooseServer } from './server.ts'
import { readSettings } from './settings.ts'
import { forgetSignIn, keepSignIn, readSignIns, signInsFile } from './sign-ins.ts'

let home: string
let env: Record<string, string>
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'hp-settings-'))
  env = { HOME: home, HP_SYSTEM_CONFIG: path.join(home, 'system.yaml') }
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const write = (name: string, text: string): void => {
  const file = path.join(home, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
}
const read = (flags = {}) => readSettings({ env, cwd: home }, flags)

test('a flag, the environment, the project, the user, the system: the first wins', () => {
  write('system.yaml', 'server: http://system:1\noutput: json\nreason: system')
  expect(read()).toMatchObject({ server: 'http://system:1', output: 'json', reason: 'system' })
  write('.config/holdpoint/config.yaml', 'server: http://user:1\nreason: user')
  expect(read()).toMatchObject({ server: 'http://user:1', output: 'json', reason: 'user' })
  write('.holdpoint.yaml', 'reason: project\noutput: table')
  expect(read()).toMatchObject({ server: 'http://user:1', output: 'table', reason: 'project' })
  Object.assign(env, { HP_URL: 'http://env:1', HP_REASON: 'env' })
  expect(read()).toMatchObject({ server: 'http://env:1', reason: 'env' })
  expect(read({ server: 'http://flag:1', json: true })).toMatchObject({ server: 'http://flag:1', output: 'json' })
})

test.each([
  ['an unknown setting', 'tokenFile: /etc/passwd', /there is no setting 'tokenFile'/],
  ['a server', 'server: http://evil.example', /may not/],
  ['a value that is not text', 'reason: {a: b}', /reason must be text/],
  ['an alias', 'reason: &a x\noutput: *a', /holdpoint\.yaml/],
  ['a duplicate key', 'reason: a\nreason: b', /holdpoint\.yaml/],
  ['a list', '- a', /must hold settings/],
])('a project file with %s is refused', (_, text, message) => {
  write('.holdpoint.yaml', text)
  expect(() => read()).toThrow(message)
})

test('a sign-in is kept for its owner alone, by origin, and forgotten', () => {
  const signIn = { text: 'hpt_x', name: 'ana', expiresAt: '2027-01-01T00:00:00.000Z' }
  keepSignIn(env, 'https://a.example', signIn)
  keepSignIn(env, 'https://b.example', { ...signIn, text: 'hpt_y' })
  expect(statSync(signInsFile(env)).mode & 0o777).toBe(0o600)
  expect(readSignIns(env)).toMatchObject({
    current: 'https://b.example',
    tokens: { 'https://a.example': { text: 'hpt_x' } },
  })
  forgetSignIn(env, 'https://b.example')
  expect(readSignIns(env)).toEqual({ v: 1, tokens: { 'https://a.example': signIn } })
})

test.each([0o644, 0o640, 0o604, 0o660, 0o620])('a token file of mode %o is refused', (mode) => {
  write('token', 'x')
  chmodSync(path.join(home, 'token'), mode)
  expect(() => readPrivateFile(path.join(home, 'token'))).toThrow(/can be read by others/)
})

test('a token goes to the origin it belongs to, and follows no redirect to another', async () => {
  const asked: string[] = []
  const other = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? 'no token'}`)
    response.end()
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  const first = createServer((_, response) => response.writeHead(307, { location: `${elsewhere}/v1/me` }).end())
  await new Promise<void>((resolve) => first.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(first.address() as AddressInfo).port}`
  try {
    keepSignIn(env, origin, { text: 'hpt_secret', name: 'ana', expiresAt: '2027-01-01T00:00:00.000Z' })
    const signedIn = await chooseServer({ env }, read(), undefined)
    expect(signedIn).toMatchObject({ origin, as: 'signed_in' })
    await expect(signedIn.client.call('getMe', {})).rejects.toThrow(/redirects to another address/)
    // Named by a flag, the other origin is asked without the token of the first.
    const named = await chooseServer({ env }, read({ server: elsewhere }), undefined)
    expect(named.as).toBe('nobody')
    await expect(named.client.call('getMe', {})).rejects.toThrow()
    expect(asked).toEqual(['GET /v1/me no token'])
  } finally {
    first.close()
    other.close()
  }
})
