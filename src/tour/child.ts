import { spawn } from 'node:child_process'

/** A program under way, and what it has said so far. */
export interface Child {
  readonly pid: number | undefined
  readonly out: () => string
  readonly err: () => string
  /** Resolves with the first match in either stream. Rejects when the program ends without it. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  /** As Ctrl-C does on a terminal: to it and all that it started. */
  interrupt(): void
  kill(): void
  /** The exit code; -1 when a signal ended it. */
  readonly ended: Promise<number>
}

const running = new Set<Child>()

/** Starts a program in a process group of its own. */
export function start(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string = process.cwd(),
): Child {
  const child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  let over = false
  const looks = new Set<() => void>()
  const look = (): void => {
    for (const one of looks) one()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    look()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
    look()
  })
  const signal = (name: NodeJS.Signals): void => {
    if (over || child.pid === undefined) return
    try {
      process.kill(-child.pid, name)
    } catch {
      // It ended a moment ago.
    }
  }
  const ended = new Promise<number>((resolve) => {
    const end = (code: number): void => {
      over = true
      running.delete(self)
      resolve(code)
      look()
    }
    child.on('error', (error) => {
      err += error.message
      end(-1)
    })
    child.on('close', (code) => end(code ?? -1))
  })
  const self: Child = {
    pid: child.pid,
    out: () => out,
    err: () => err,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = pattern.exec(err) ?? pattern.exec(out)
          if (found === null && !over) return
          looks.delete(check)
          if (found !== null) resolve(found)
          else reject(new Error(`it ended without saying ${String(pattern)}: ${lastLines(out + err)}`))
        }
        looks.add(check)
        check()
      }),
    interrupt: () => signal('SIGINT'),
    kill: () => signal('SIGKILL'),
    ended,
  }
  running.add(self)
  return self
}

/** Ends whatever was started and still runs. */
export async function killAll(): Promise<void> {
  const all = [...running]
  for (const child of all) child.kill()
  await Promise.all(all.map(({ ended }) => ended))
}

export const lastLines = (text: string, count = 6): string => text.trim().split('\n').slice(-count).join('\n')
