import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

const ITERATIONS = 4096

/**
 * What PostgreSQL keeps in place of a password (RFC 5802, section 3; RFC 7677), made here: the password itself is in no
 * SQL that a server could log. Only for passwords of printable ASCII, which SASLprep leaves as they are.
 */
export async function scramVerifier(password: string): Promise<string> {
  if (!/^[\x21-\x7e]{20,}$/.test(password)) throw new Error('not a password that was made here')
  const salt = randomBytes(16)
  const salted = await promisify(pbkdf2)(password, salt, ITERATIONS, 32, 'sha256')
  const mac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(mac('Client Key')).digest('base64')
  const serverKey = mac('Server Key').toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}
