import { createHash, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { certificateOf } from '../../../../test/support/certificates.ts'
import { serverEndPoint } from './channel-binding.ts'

describe('tls-server-end-point (RFC 5929 section 4)', () => {
  test.each([
    ['ecdsaSha256', 'sha256'],
    ['ecdsaSha384', 'sha384'],
    ['rsaSha1', 'sha256'],
    ['rsaSha256', 'sha256'],
    ['rsaSha512', 'sha512'],
    ['rsaPssSha384', 'sha384'],
    ['ed25519', undefined],
  ] as const)('%s is hashed with %s', async (signature, hash) => {
    const { raw } = new X509Certificate((await certificateOf(signature)).cert)
    expect(serverEndPoint(raw)).toEqual(hash === undefined ? undefined : createHash(hash).update(raw).digest())
  })

  test('in a chain the hash is of the server, by the signature of its issuer', async () => {
    const issuer = await certificateOf('rsaSha512')
    const { raw } = new X509Certificate((await certificateOf('ecdsaSha256', issuer)).cert)
    expect(serverEndPoint(raw)).toEqual(createHash('sha512').update(raw).digest())
  })

  test('whatever else is given, there is an answer and no fault', async () => {
    const { raw } = new X509Certificate((await certificateOf('ecdsaSha256')).cert)
    for (let end = 0; end < raw.length; end++) expect(serverEndPoint(raw.subarray(0, end))).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(serverEndPoint(Buffer.concat([Buffer.from([0x30, bytes.length]), bytes]))).toBeUndefined()
      }),
    )
    // RSASSA-PSS without parameters means SHA-1 (RFC 4055 section 3.1), and so SHA-256 here.
    const pss = Buffer.from('301330000d06092a864886f70d01010a30000300'.replace('30000d', '3000300d'), 'hex')
    pss.writeUInt8(pss.length - 2, 1)
    expect(serverEndPoint(pss)).toEqual(createHash('sha256').update(pss).digest())
  })
})
