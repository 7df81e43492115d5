import { randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'

/** argon2id as OWASP recommends it: 19 MiB, two passes, one lane. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const
const SHORTEST = 12
const LONGEST = 1_024

/** Not whole passwords: what people build them from. Compared after digits and signs at both ends are taken off. */
const COMMON = new Set(
  `password passwort passwordpassword passphrase administrator superadmin administration holdpoint letmein letmeinplease
  letmeinletmein welcome welcomewelcome changeme changemenow changemechangeme qwertyuiop qwertyuiopasdf qwertyuiopasdfghjkl
  qwertzuiopasdfghjkl asdfghjkl asdfghjklzxcvbnm qwertyqwerty iloveyou iloveyoubaby iloveyousomuch sunshine princess
  football baseball basketball superman monkey dragon trustno mypassword secretpassword supersecret correcthorsebatterystaple
  correct-horse-battery-staple correct horse battery staple abcdefghijkl abcdefghijklm thisisapassword`
    .split(/[\n ]+/)
    .concat('correct horse battery staple'),
)

/** One spelling for one password, whatever the keyboard sends (Unicode NFKC, as RFC 8265 asks at least). */
const spelled = (password: string): string => password.normalize('NFKC')

export const hashPassword = (password: string): Promise<string> => hash(spelled(password), COST)

/** Made once a process, of a password that nobody knows. */
let decoy: Promise<string> | undefined
/** Do this at the start, so that the first unknown name takes no longer than the second. */
export const prepareDecoy = (): Promise<string> => (decoy ??= hashPassword(randomBytes(32).toString('base64')))

/** Takes the same work whether there is a hash or not: the time does not tell who has an account. */
export async function verifyPassword(password: string, stored: string | undefined): Promise<boolean> {
  const matches = await verify(stored ?? (await prepareDecoy()), spelled(password))
  return matches && stored !== undefined
}

/** Whether the password may not be used: too short, too long, common, a mere sequence, or the person's own name. */
export function isWeak(password: string, name: string): boolean {
  const letters = Array.from(spelled(password))
  if (letters.length < SHORTEST || letters.length > LONGEST || new Set(letters).size < 5) return true
  const lower = letters.join('').toLowerCase()
  const core = lower.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
  return COMMON.has(lower) || COMMON.has(core) || core.replaceAll(name, '').length === 0 || isSequence(lower)
}

/** `123456789012`, `abcdefghijkl` and their reverse: each character next to the one before. */
function isSequence(text: string): boolean {
  const codes = Array.from(text, (letter) => letter.codePointAt(0) ?? 0)
  const steps = codes.slice(1).map((code, index) => code - (codes[index] ?? 0))
  // 9 and -9: from 9 on to 0, and back.
  return [1, -1].some((step) => steps.every((found) => found === step || found === -9 * step))
}
