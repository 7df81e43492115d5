import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** The real program, as a process of its own. */
export interface HpProcess {
  readonly out: () => string
  readonly err: () => string
  /** Resolves once standard error holds it; rejects when the program ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  write(text: string): void
  /** The exit code; -1 when a signal ended it. */
  readonly ended: Promise<number>
}

export function hp(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string | undefined = '',
): HpProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: {
      PATH: process.env['PATH'] ?? '',
      NO_COLOR: '1',
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [out, err, over] = ['', '', false]
  const looks = new Set<() => void>()
  const look = (): void => looks.forEach((one) => one())
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
    look()
  })
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      over = true
      resolve(code ?? -1)
      look()
    })
  })
  child.stdin.on('error', () => undefined)
  if (input !== undefined) child.stdin.end(input)
  return {
    out: () => out,
    err: () => err,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = pattern.exec(err)
          if (found === null && !over) return
          looks.delete(check)
          if (found === null) reject(new Error(`it ended without saying ${String(pattern)}: ${out}${err}`))
          else resolve(found)
        }
        looks.add(check)
        check()
      }),
    signal: (name) => void child.kill(name),
    write: (text) => void child.stdin.write(text),
    ended,
  }
}
