import path from 'node:path'
import { formatVerifierKey, parseVerifierKey } from '../../domain/ledger/note.ts'
import type { NoteKey } from '../../domain/ledger/note.ts'
import type { Cli } from '../cli.ts'
import { EXIT, Stop, usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { openWitnessMemory } from '../witness/memory.ts'
import { witnessKey, witnessServer } from '../witness/serve.ts'

interface Input {
  readonly log?: readonly string[]
  readonly name?: string
  readonly dir: string
  readonly listen: string
}

/** Watches logs from outside: cosigns what goes on from what it saw before, and nothing else. Runs until it is stopped. */
export async function run(cli: Cli, input: Input): Promise<void> {
  const keys = (input.log ?? []).flatMap((text) => text.trim().split(/\s+/)).map(logKey)
  const [, host, port] = /^(?:\[?([^\]]*?)\]?:)?([0-9]{1,5})$/.exec(input.listen) ?? []
  if (port === undefined || Number(port) > 65_535) throw usage('--listen: give HOST:PORT')
  const memory = openWitnessMemory(path.resolve(cli.terminal.cwd, input.dir), input.name)
  try {
    const server = witnessServer({
      memory,
      keys,
      now: () => cli.now(),
      say: (line) => cli.terminal.err(`${oneLine(line)}\n`),
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new Stop(EXIT.failed, `${oneLine(input.listen)} cannot be listened on: ${cause.message}`)),
      )
      server.listen(Number(port), host === undefined || host === '' ? '127.0.0.1' : host, resolve)
    })
    const address = server.address()
    const key = formatVerifierKey(witnessKey(memory))
    const at = typeof address === 'object' && address !== null ? `${address.address}:${address.port}` : input.listen
    if (cli.wantsJson) cli.json({ key, address: at })
    else cli.print(key)
    cli.note(`Watches ${keys.length} ${keys.length === 1 ? 'key' : 'keys'} on ${at}. Trust it by the key above.`)
    await ended(cli)
    server.close()
    server.closeAllConnections()
  } finally {
    memory.close()
  }
}

function logKey(text: string): NoteKey {
  const key = parseVerifierKey(text)
  if (key?.algorithm !== 1)
    throw usage(
      `--log: ${oneLine(text)} is no verifier key of a log`,
      'It looks like holdpoint/...+0a1b2c3d+A...; its operator has it from: hp ledger keys',
    )
  return key
}

const ended = (cli: Cli): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stop()
      process.off('SIGTERM', done)
      resolve()
    }
    const stop = cli.terminal.onInterrupt(done)
    process.once('SIGTERM', done)
  })
