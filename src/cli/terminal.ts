import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import { styleText } from 'node:util'

/** Everything outside the program that a command may touch. Tests bring their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly stdin: Readable
  readonly inIsTerminal: boolean
  readonly outIsTerminal: boolean
  readonly errIsTerminal: boolean
  readonly colour: boolean
  /** Of standard output; undefined where it is not a terminal and nothing needs to fit. */
  readonly columns: number | undefined
  /** Data. */
  out(text: string): void
  /** Everything else. */
  err(text: string): void
  /** Milliseconds since the epoch, by this machine's clock: for showing ages only. */
  now(): number
  /** Calls `pressed` at Ctrl-C instead of ending the process. Returns the way to stop listening. */
  onInterrupt(pressed: () => void): () => void
}

export type Style = Parameters<typeof styleText>[0]
export const paint = (terminal: Pick<Terminal, 'colour'>, style: Style, text: string): string =>
  terminal.colour ? styleText(style, text, { validateStream: false }) : text

/** The process's own terminal. A reader that went away (`hp ls | head`) ends the program quietly. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process
  const gone = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  }
  stdout.on('error', gone)
  stderr.on('error', gone)
  const plain = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== ''
  return {
    env,
    cwd: process.cwd(),
    stdin,
    inIsTerminal: isatty(0),
    outIsTerminal: isatty(1),
    errIsTerminal: isatty(2),
    colour: !plain && isatty(1) && stdout.hasColors(),
    columns: isatty(1) ? Math.max(stdout.columns, 40) : undefined,
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    now: () => Date.now(),
    onInterrupt(pressed) {
      process.on('SIGINT', pressed)
      return () => void process.off('SIGINT', pressed)
    },
  }
}
