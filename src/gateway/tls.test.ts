import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect, createServer } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CertificateError, generatedCertificate, loadCertificate } from './tls.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'holdpoint-tls-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const NAMES = ['localhost', '127.0.0.1', '::1']

test('a client that takes the generated certificate as its root may verify name and address', async () => {
  const material = await generatedCertificate(dir, NAMES)
  const server = createServer(material, (socket) => socket.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const servername of ['localhost', undefined]) {
    const client = connect({ port, host: '127.0.0.1', ca: material.cert, ...(servername ? { servername } : {}) })
    const [data] = (await once(client, 'data')) as [Buffer]
    expect(data.toString()).toBe('hello')
    expect(client.getPeerX509Certificate()?.fingerprint256).toBe(material.fingerprint)
    client.destroy()
  }
  server.close()
  await once(server, 'close')
})

test('it is kept, private, and made anew only for a new name or when it is spoilt', async () => {
  const first = await generatedCertificate(dir, NAMES)
  const file = path.join(dir, 'gateway-tls.pem')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  await chmod(file, 0o644)
  expect((await generatedCertificate(dir, NAMES)).fingerprint).toBe(first.fingerprint)
  expect((await stat(file)).mode & 0o777).toBe(0o600)

  const wider = await generatedCertificate(dir, [...NAMES, 'db.example.com'])
  expect(wider.fingerprint).not.toBe(first.fingerprint)
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 200))
  const again = await generatedCertificate(dir, NAMES)
  expect(again.fingerprint).not.toBe(wider.fingerprint)
  expect(again.expiresAt.getTime() - Date.now()).toBeGreaterThan(365 * 86_400_000)
  expect((await readdir(dir)).sort()).toEqual(['gateway-tls.crt', 'gateway-tls.pem'])
  // The certificate alone is what clients get.
  expect(await readFile(path.join(dir, 'gateway-tls.crt'), 'utf8')).toBe(again.cert)
  await rm(path.join(dir, 'gateway-tls.crt'))
  await generatedCertificate(dir, NAMES)
  expect(await readFile(path.join(dir, 'gateway-tls.crt'), 'utf8')).not.toContain('PRIVATE')
})

test('an own certificate is loaded, and a pair that cannot serve is refused with a sentence', async () => {
  const { cert, key } = await generatedCertificate(dir, NAMES)
  const other = await generatedCertificate(path.join(dir, 'other'), NAMES)
  const at = async (name: string, text: string): Promise<string> => {
    await writeFile(path.join(dir, name), text)
    return path.join(dir, name)
  }
  const certFile = await at('cert.pem', cert)
  const keyFile = await at('key.pem', key)
  expect(await loadCertificate({ certFile, keyFile })).toMatchObject({ cert, key, generated: false })

  const refused = async (files: { certFile: string; keyFile: string }): Promise<string> => {
    const error: unknown = await loadCertificate(files).catch((error: unknown) => error)
    if (!(error instanceof CertificateError)) throw new Error('was not refused')
    return error.message
  }
  const swapped = await at('other.pem', other.key)
  expect(await refused({ certFile, keyFile: swapped })).toBe(`${swapped} is not the key of ${certFile}`)
  expect(await refused({ certFile: keyFile, keyFile })).toBe(`${keyFile} does not hold a certificate`)
  expect(await refused({ certFile, keyFile: certFile })).toContain('does not hold a private key')
  expect(await refused({ certFile, keyFile: path.join(dir, 'none') })).toContain('cannot be read (ENOENT)')
})
