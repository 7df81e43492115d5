import { createHash } from 'node:crypto'

const md5 = (...parts: readonly (string | Buffer)[]): string => {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/**
 * The answer to AuthenticationMD5Password (PostgreSQL, "Message Flow", 54.2.1), with its closing NUL. `salt` has
 * 4 bytes. Only for targets that know nothing better: it proves little and the stored hash signs in by itself.
 */
export const md5Answer = (user: string, password: string, salt: Buffer): Buffer =>
  Buffer.from(`md5${md5(md5(password, user), salt)}\0`)

/** The answer to AuthenticationCleartextPassword, with its closing NUL. Only inside TLS or on a socket of this machine. */
export const cleartextAnswer = (password: string): Buffer => Buffer.from(`${password}\0`)
