import { readFileSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Cli } from './cli.ts'
import { EXIT, Stop, usage } from './exit.ts'
import { oneLine } from './exposed-text.ts'
import { reasonOf } from './private-file.ts'
import { readStandardInput } from './standard-input.ts'

interface DocumentFile {
  readonly path: string
  readonly text: string
}

/** The server takes 4 MiB; more is not read into memory. */
const LARGEST = 4 * 1024 * 1024

/**
 * The documents under `-f`: files as named, folders with their *.yaml and *.yml below them in the order of their
 * names; hidden ones and node_modules are left out. `-` is standard input. @throws Stop
 */
export async function readDocuments(cli: Cli, names: readonly string[]): Promise<readonly DocumentFile[]> {
  const files = new Map<string, DocumentFile>()
  let total = 0
  const add = (name: string, text: string): void => {
    total += Buffer.byteLength(text)
    if (total > LARGEST) throw usage(`${oneLine(name)}: more than 4 MiB of documents`)
    files.set(name, { path: name, text })
  }
  for (const name of names) {
    if (name === '-') {
      add('-', await readStandardInput(cli, LARGEST))
      continue
    }
    const found = listDocuments(cli.terminal.cwd, name)
    if (found.length === 0) throw usage(`${oneLine(name)}: no *.yaml or *.yml in it`)
    for (const file of found) add(file, readText(cli.terminal.cwd, file))
  }
  return [...files.values()]
}

function listDocuments(cwd: string, name: string): readonly string[] {
  let isFolder: boolean
  try {
    isFolder = statSync(path.resolve(cwd, name)).isDirectory()
  } catch (cause) {
    throw new Stop(EXIT.usage, `${oneLine(name)}: ${reasonOf(cause)}`)
  }
  if (!isFolder) return [name]
  return readdirSync(path.resolve(cwd, name), { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inside = path.join(name, entry.name)
      if (entry.isDirectory()) return listDocuments(cwd, inside)
      return entry.isFile() && /\.ya?ml$/.test(entry.name) ? [inside] : []
    })
}

function readText(cwd: string, name: string): string {
  let bytes: Buffer
  try {
    const file = path.resolve(cwd, name)
    if (statSync(file).size > LARGEST) throw usage(`${oneLine(name)}: more than 4 MiB`)
    bytes = readFileSync(file)
  } catch (cause) {
    if (cause instanceof Stop) throw cause
    throw new Stop(EXIT.usage, `${oneLine(name)}: ${reasonOf(cause)}`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw usage(`${oneLine(name)} is not UTF-8 text`)
  }
}
