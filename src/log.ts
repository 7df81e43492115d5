import { styleText } from 'node:util'
import { pino, stdTimeFunctions, type Logger } from 'pino'

const SECRET_KEYS = ['password', 'token', 'authorization', 'secret', 'credential', 'text', 'value']

/** One line a person can read: `20:05:39 warn  gateway  the target does not answer  resource=shop-db`. */
function readable(line: string): string {
  const { level, time, msg, area, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const clock = String(time).slice(11, 19)
  const fields = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const colour = level === 'error' || level === 'fatal' ? 'red' : level === 'warn' ? 'yellow' : 'gray'
  const stack = (err as { stack?: string } | undefined)?.stack
  return [
    styleText('gray', clock, { stream: process.stderr }),
    styleText(colour, String(level).padEnd(5), { stream: process.stderr }),
    ...(typeof area === 'string' ? [area.padEnd(8)] : []),
    String(msg),
    styleText('gray', fields.join(' '), { stream: process.stderr }),
    ...(stack === undefined ? [] : [`\n${stack}`]),
  ]
    .join(' ')
    .trimEnd()
}

/**
 * The program's log, on standard error: JSON lines for machines, readable lines on a terminal. Keys that may hold a
 * secret are removed at any of the first two levels, as a second line of defence: nothing should put one there.
 */
export function createLog(level: string): Logger {
  const redact = {
    paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`]),
    remove: true,
  }
  const options = {
    level,
    redact,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  if (!process.stderr.isTTY) return pino(options, process.stderr)
  return pino(options, { write: (line: string) => void process.stderr.write(`${readable(line)}\n`) })
}
