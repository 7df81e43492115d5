import { createHash, createPrivateKey, KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { isIP } from 'node:net'
import path from 'node:path'
import type { SecureContextOptions } from 'node:tls'

/** What a TLS server needs. Give it whole to `tls.createSecureContext` or `new tls.TLSSocket`. */
export interface TlsMaterial extends SecureContextOptions {
  /** PEM. Public: clients may take it as their root. */
  readonly cert: string
  /** PEM. A secret. */
  readonly key: string
  /** SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly fingerprint: string
  readonly expiresAt: Date
  /** Made here, so that no client knows its issuer. */
  readonly generated: boolean
}

/** A certificate or key that cannot be used; the message names the file and what is wrong with it, never its content. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

const DAY = 86_400_000
/** Whoever keeps running for 400 days without a restart still has a valid certificate. */
const LIFETIME = 800 * DAY
const RENEW_WITHIN = 400 * DAY

/**
 * The operator's own certificate. Read once: a new one is taken at the next start.
 * @throws CertificateError when a file cannot be read, the two do not belong together, or the time is up.
 */
export async function loadCertificate(files: {
  readonly certFile: string
  readonly keyFile: string
}): Promise<TlsMaterial> {
  const read = async (file: string): Promise<string> => {
    try {
      return await readFile(file, 'utf8')
    } catch (cause) {
      throw new CertificateError(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, {
        cause,
      })
    }
  }
  const [cert, key] = await Promise.all([read(files.certFile), read(files.keyFile)])
  const certificate = parsed(files.certFile, 'a certificate', () => new X509Certificate(cert))
  const privateKey = parsed(files.keyFile, 'a private key without a passphrase', () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new CertificateError(`${files.keyFile} is not the key of ${files.certFile}`)
  }
  if (certificate.validToDate.getTime() <= Date.now()) {
    throw new CertificateError(`${files.certFile} ended on ${certificate.validToDate.toISOString().slice(0, 10)}`)
  }
  return material(cert, key, false)
}

function parsed<T>(file: string, what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new CertificateError(`${file} does not hold ${what}`, { cause })
  }
}

/**
 * A self-signed P-256 certificate for `names` (host names and addresses), kept in `dir` and made anew when it is
 * missing, unreadable, near its end or lacks a name. Key and certificate are one file, replaced in one step: a
 * crash leaves the old pair or the new one. `gateway-tls.crt` beside it is the certificate alone, for clients to take
 * as their root; every start makes it again from the pair.
 */
export async function generatedCertificate(dir: string, names: readonly string[]): Promise<TlsMaterial> {
  const file = path.join(dir, 'gateway-tls.pem')
  const root = path.join(dir, 'gateway-tls.crt')
  const kept = await readKept(file, names)
  if (kept !== undefined) {
    if ((await readFile(root, 'utf8').catch(() => '')) !== kept.cert) await replace(root, kept.cert, 0o644)
    return kept
  }
  const { cert, key } = await generate(names)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await replace(file, key + cert, 0o600)
  await replace(root, cert, 0o644)
  return material(cert, key, true)
}

async function replace(file: string, text: string, mode: number): Promise<void> {
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const handle = await open(fresh, 'wx', mode)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, file)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}

async function readKept(file: string, names: readonly string[]): Promise<TlsMaterial | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const [key, cert] = [block(text, 'PRIVATE KEY'), block(text, 'CERTIFICATE')]
  if (key === undefined || cert === undefined) return undefined
  try {
    const certificate = new X509Certificate(cert)
    const covers = (name: string): boolean =>
      (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined
    const fresh = certificate.validToDate.getTime() - Date.now() > RENEW_WITHIN
    if (!fresh || !names.every(covers) || !certificate.checkPrivateKey(createPrivateKey(key))) return undefined
  } catch {
    return undefined
  }
  await chmod(file, 0o600)
  return material(cert, key, true)
}

const block = (text: string, label: string): string | undefined =>
  new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----\n?`).exec(text)?.[0]

function material(cert: string, key: string, generated: boolean): TlsMaterial {
  const certificate = new X509Certificate(cert)
  const digest = createHash('sha256').update(certificate.raw).digest('hex').toUpperCase()
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    fingerprint: digest.replaceAll(/(..)(?=.)/g, '$1:'),
    expiresAt: certificate.validToDate,
    generated,
  }
}

async function generate(names: readonly string[]): Promise<{ cert: string; key: string }> {
  // Loaded here and not above: it takes 0.1 s, and a start that finds its certificate never needs it.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const now = Date.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      // Positive and unique, as RFC 5280 section 4.1.2.2 wants it.
      serialNumber: `4${randomBytes(16).toString('hex').slice(1)}`,
      name: 'CN=Holdpoint gateway',
      // A client whose clock is a little slow may connect at once.
      notBefore: new Date(now - DAY),
      notAfter: new Date(now + LIFETIME),
      keys,
      signingAlgorithm: { ...algorithm, hash: 'SHA-256' },
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
        ),
      ],
    },
    webcrypto,
  )
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })
  return { cert: `${certificate.toString('pem').trim()}\n`, key: key.toString() }
}
