import path from 'node:path'
import { z } from 'zod'
import { EXIT, Stop } from './exit.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'
import { configDir } from './settings.ts'
import type { Terminal } from './terminal.ts'

/** Tokens by the origin that gave them: a token is only ever sent back to its own. */
const File = z.strictObject({
  v: z.literal(1),
  /** The origin of the last sign-in: the default when no setting names a server. */
  current: z.string().optional(),
  tokens: z.record(z.string(), z.strictObject({ text: z.string(), name: z.string(), expiresAt: z.string() })),
})
export type SignIns = z.output<typeof File>
export type SignIn = SignIns['tokens'][string]

export const signInsFile = (env: Terminal['env']): string => path.join(configDir(env), 'tokens.json')

/** @throws Stop when the file can be read by others or is not what `hp login` wrote. */
export function readSignIns(env: Terminal['env']): SignIns {
  const file = signInsFile(env)
  const text = readPrivateFile(file)
  if (text === undefined) return { v: 1, tokens: {} }
  const parsed = File.safeParse(parseJson(text))
  if (!parsed.success)
    throw new Stop(EXIT.failed, `${file} is not what this version of hp wrote`, `Remove it and sign in again: hp login`)
  return parsed.data
}

export function keepSignIn(env: Terminal['env'], origin: string, signIn: SignIn): void {
  const all = readSignIns(env)
  save(env, { v: 1, current: origin, tokens: { ...all.tokens, [origin]: signIn } })
}

export function forgetSignIn(env: Terminal['env'], origin: string): void {
  const { current, tokens } = readSignIns(env)
  const kept = Object.fromEntries(Object.entries(tokens).filter(([one]) => one !== origin))
  save(env, { v: 1, tokens: kept, ...(current === undefined || current === origin ? {} : { current }) })
}

const save = (env: Terminal['env'], all: SignIns): void =>
  writePrivateFile(signInsFile(env), `${JSON.stringify(all, undefined, 2)}\n`)

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
