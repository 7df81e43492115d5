import { randomBytes } from 'node:crypto'
import path from 'node:path'
import type { App, Caller } from '../app/app.ts'
import type { Result } from '../app/result.ts'
import { readPrivateFile, writePrivateFile } from '../cli/private-file.ts'
import { millis } from '../domain/time.ts'
import { CAST, FIRST } from './cast.ts'
import type { CastMember } from './cast.ts'

const HERE = '127.0.0.1'
const TOKEN_LIFETIME = millis(90 * 86_400_000)

/** The value, or a fault: nothing that the demo asks for may be refused. */
export function must<T>(what: string, result: Result<T>): T {
  if (result.ok) return result.value
  throw new Error(
    `the demo could not ${what}: ${result.refusal}${result.detail === undefined ? '' : ` (${result.detail})`}`,
  )
}

/** Files with passwords and tokens of the cast, mode 0600 in a folder of mode 0700. */
const passwordFile = (folder: string, name: string): string => path.join(folder, `${name}.password`)
export const tokenFile = (folder: string, name: string): string => path.join(folder, `${name}.token`)

function password(folder: string, name: string): string {
  const file = passwordFile(folder, name)
  const kept = readPrivateFile(file)?.trim()
  if (kept !== undefined && kept !== '') return kept
  const made = randomBytes(18).toString('base64url')
  writePrivateFile(file, `${made}\n`)
  return made
}

/** Signed in as the first administrator, who is made when the installation has none. `code` is the one-time code of that. */
export async function firstAdministrator(app: App, folder: string, code: () => string): Promise<Caller> {
  const first = CAST.find(({ name }) => name === FIRST)
  // The password is on disk before the account is made: dying in between leaves an account that can be used.
  const secret = password(folder, FIRST)
  if (await app.setupNeeded()) {
    const made = await app.setup({
      code: code(),
      name: FIRST,
      displayName: first?.displayName ?? FIRST,
      password: secret,
      sourceAddress: HERE,
    })
    return callerOf(app, must('make its administrator', made).text)
  }
  const token = readPrivateFile(tokenFile(folder, FIRST))?.trim()
  const kept = token === undefined ? undefined : await app.authenticate(token, HERE)
  if (kept !== undefined) return kept
  const signedIn = await app.signIn({ name: FIRST, password: secret, sourceAddress: HERE })
  return callerOf(app, must(`sign in as ${FIRST}`, signedIn).text)
}

/** Makes who is missing; roles come later. */
export async function makePeople(app: App, administrator: Caller, folder: string): Promise<void> {
  const there = new Set(must('list people', await app.listPeople(administrator)).map(({ id }) => String(id)))
  const missing = CAST.filter(({ name }) => !there.has(name))
  const make = async ({ name, kind, displayName, sponsor }: CastMember): Promise<void> => {
    const input = {
      name,
      kind,
      displayName,
      roles: [],
      ...(sponsor === undefined ? {} : { sponsor }),
      ...(kind === 'user' ? { password: password(folder, name) } : {}),
    }
    must(`make ${name}`, await app.createPerson(administrator, input))
  }
  await Promise.all(missing.filter(({ kind }) => kind === 'user').map(make))
  // Sponsors first: an agent needs one.
  for (const member of missing.filter(({ kind }) => kind !== 'user')) await make(member)
}

export async function giveRoles(app: App, administrator: Caller): Promise<void> {
  for (const { name, roles } of CAST) {
    if (roles.length === 0 || name === FIRST) continue
    must(`give ${name} a role`, await app.updatePerson(administrator, name, { roles }))
  }
}

/** Leaves everybody a token that works. People who cannot sign in any more (disabled, another password) are left out. */
export async function leaveTokens(app: App, administrator: Caller, folder: string): Promise<readonly string[]> {
  const left = await Promise.all(
    CAST.map(async (member) => {
      const file = tokenFile(folder, member.name)
      const kept = readPrivateFile(file)?.trim()
      if (kept !== undefined && (await app.authenticate(kept, HERE)) !== undefined) return member.name
      const token = await freshToken(app, administrator, folder, member)
      if (token === undefined) return undefined
      writePrivateFile(file, `${token}\n`)
      return member.name
    }),
  )
  return left.filter((name) => name !== undefined)
}

async function freshToken(
  app: App,
  administrator: Caller,
  folder: string,
  { name, kind }: CastMember,
): Promise<string | undefined> {
  const input = { kind: 'api', scopes: ['all'], label: 'demo', lifetime: TOKEN_LIFETIME } as const
  if (kind !== 'user') {
    const issued = await app.issueToken(administrator, { ...input, for: name })
    return issued.ok ? issued.value.text : undefined
  }
  const signedIn = await app.signIn({ name, password: password(folder, name), sourceAddress: HERE })
  if (!signedIn.ok) return undefined
  const caller = await callerOf(app, signedIn.value.text)
  const token = must(`make a token for ${name}`, await app.issueToken(caller, input))
  await app.signOut(caller)
  return token.text
}

async function callerOf(app: App, token: string): Promise<Caller> {
  const caller = await app.authenticate(token, HERE)
  if (caller === undefined) throw new Error('the demo got a token that does not work')
  return caller
}
