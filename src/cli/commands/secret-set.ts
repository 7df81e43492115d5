import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Cli } from '../cli.ts'
import { usage } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { reasonOf } from '../private-file.ts'
import { readSecret } from '../standard-input.ts'

/** The value comes from a prompt, standard input or a file, never from the command line. */
export async function run(cli: Cli, input: { readonly name: string; readonly file?: string }): Promise<void> {
  const value =
    input.file === undefined ? await readSecret(cli, `Value of ${oneLine(input.name)}`) : readValue(cli, input.file)
  await (await cli.api()).call('setSecret', { params: { name: input.name }, body: { value } })
  cli.note(`Sealed ${oneLine(input.name)}.`)
}

function readValue(cli: Cli, file: string): string {
  try {
    return readFileSync(path.resolve(cli.terminal.cwd, file), 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw usage(`${oneLine(file)}: ${reasonOf(cause)}`)
  }
}
