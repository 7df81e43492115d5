import { KeyObject, webcrypto } from 'node:crypto'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const publicExponent = new Uint8Array([1, 0, 1])
/** How the key is made and the certificate signed. */
export const SIGNATURES = {
  ecdsaSha256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  ecdsaSha384: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  rsaSha1: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1', modulusLength: 2048, publicExponent },
  rsaSha256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent },
  rsaSha512: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512', modulusLength: 2048, publicExponent },
  rsaPssSha384: { name: 'RSA-PSS', hash: 'SHA-384', modulusLength: 2048, publicExponent, saltLength: 48 },
  ed25519: { name: 'Ed25519' },
} as const
export type SignatureName = keyof typeof SIGNATURES

export interface Issued {
  /** PEM; with the issuer's behind it when there is one. */
  readonly cert: string
  readonly key: string
  readonly certificate: x509.X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
  readonly signature: SignatureName
}

/** A certificate for `localhost` and 127.0.0.1, self-signed or by `issuer`. */
export async function certificateOf(signature: SignatureName, issuer?: Issued): Promise<Issued> {
  const own = SIGNATURES[signature]
  const keys = (await webcrypto.subtle.generateKey(own, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const now = Date.now()
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: `4${now.toString(16).padStart(15, '0')}`,
      subject: 'CN=localhost',
      issuer: issuer?.certificate.subject ?? 'CN=localhost',
      notBefore: new Date(now - 86_400_000),
      notAfter: new Date(now + 86_400_000),
      publicKey: keys.publicKey,
      signingKey: (issuer?.keys ?? keys).privateKey,
      signingAlgorithm: issuer === undefined ? own : SIGNATURES[issuer.signature],
      extensions: [
        new x509.BasicConstraintsExtension(issuer === undefined, undefined, true),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
      ],
    },
    webcrypto,
  )
  const pem = `${certificate.toString('pem')}\n`
  return {
    cert: pem + (issuer?.cert ?? ''),
    key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate,
    keys,
    signature,
  }
}
