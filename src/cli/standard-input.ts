import type { Cli } from './cli.ts'
import { EXIT, Stop, usage } from './exit.ts'

/** Standard input to its end, as UTF-8. @throws Stop when it is longer than `largest` bytes or not text. */
export async function readStandardInput(cli: Cli, largest: number): Promise<string> {
  const chunks: Buffer[] = []
  let total = 0
  for await (const chunk of cli.terminal.stdin) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    total += bytes.length
    if (total > largest) throw usage(`more than ${largest} bytes on standard input`)
    chunks.push(bytes)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw usage('standard input is not UTF-8 text')
  }
}

/**
 * A secret: asked for without showing it on a terminal, otherwise standard input without its last line break.
 * Never from the command line, where history and other processes would see it.
 */
export async function readSecret(cli: Cli, message: string, largest = 65_536): Promise<string> {
  if (cli.mayAsk) return askSecret(message)
  if (cli.terminal.inIsTerminal)
    throw usage('a secret is needed, and --no-input was given', 'Give it on standard input: ... < FILE')
  const text = (await readStandardInput(cli, largest + 2)).replace(/\r?\n$/, '')
  if (text === '') throw usage('nothing came on standard input', 'Give the value there: ... < FILE')
  return text
}

/**
 * Two secrets: asked for one after the other on a terminal, otherwise the first two lines of standard input.
 * @throws Stop as `readSecret` does, and when there is no second line.
 */
export async function readTwoSecrets(
  cli: Cli,
  messages: readonly [string, string],
): Promise<{ readonly first: string; readonly second: string }> {
  if (cli.mayAsk) return { first: await askSecret(messages[0]), second: await askSecret(messages[1]) }
  const [first = '', second = '', ...more] = (await readSecret(cli, messages[0])).split(/\r?\n/)
  if (first === '' || second === '' || more.length > 0)
    throw usage(`standard input must hold two lines: ${messages[0].toLowerCase()}, then ${messages[1].toLowerCase()}`)
  return { first, second }
}

/** Why an answer cannot be right, told while it can still be mended. */
type Refuse = (given: string) => string | undefined

/** @throws Stop with 130 when the person pressed Ctrl-C. */
export async function askSecret(message: string, refuse?: Refuse): Promise<string> {
  const { password, isCancel } = await import('@clack/prompts')
  const given = await password({
    message,
    output: process.stderr,
    validate: (text) => (text ? refuse?.(text) : 'Something is needed here.'),
  })
  if (isCancel(given)) throw new Stop(EXIT.withdrawn, 'given up')
  return given
}

/** @throws Stop with 130 when the person pressed Ctrl-C. */
export async function askText(message: string, initialValue?: string, refuse?: Refuse): Promise<string> {
  const { text, isCancel } = await import('@clack/prompts')
  const given = await text({
    message,
    output: process.stderr,
    ...(initialValue === undefined ? {} : { initialValue }),
    validate: (value) => (value ? refuse?.(value) : 'Something is needed here.'),
  })
  if (isCancel(given)) throw new Stop(EXIT.withdrawn, 'given up')
  return given
}
