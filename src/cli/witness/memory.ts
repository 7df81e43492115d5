import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import { fromBase64, toBase64 } from '../../domain/ledger/base64.ts'
import { isKeyName } from '../../domain/ledger/note.ts'
import type { TreeHead } from '../../domain/ledger/merkle.ts'
import { EXIT, Stop } from '../exit.ts'
import { oneLine } from '../exposed-text.ts'
import { readPrivateFile } from '../private-file.ts'
import { newPrivateKey, readPrivateKey } from './ed25519.ts'

/** A witness's folder: its key, and the last tree it cosigned of each log. One process at a time has it open. */
export interface WitnessMemory {
  readonly name: string
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
  lastOf(origin: string): TreeHead | undefined
  /** Returns when it is on the disk: only then may the signature leave. */
  remember(origin: string, head: TreeHead): void
  /** Keeps what proves that a log has forked. */
  keepFork(note: string): void
  close(): void
}

type Logs = Record<string, { readonly size: number; readonly root: string }>

/**
 * Opens the folder, and makes it the first time. A key whose memory is gone is never used again: it could cosign
 * another tree than before.
 * @throws Stop
 */
export function openWitnessMemory(dir: string, name: string | undefined): WitnessMemory {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const unlock = lock(path.join(dir, 'lock.pid'))
  try {
    return open(dir, name, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

function open(dir: string, name: string | undefined, unlock: () => void): WitnessMemory {
  const [keyFile, file] = [path.join(dir, 'witness.key'), path.join(dir, 'witness.json')]
  const [pem, text] = [readPrivateFile(keyFile), readPrivateFile(file)]
  if ((pem === undefined) !== (text === undefined))
    throw new Stop(
      EXIT.failed,
      `of witness.key and witness.json in ${oneLine(dir)} one is missing`,
      'A witness that has forgotten what it signed must not go on with its key: start a new one in an empty folder, and tell those who trust the old key.',
    )
  const stored = text === undefined ? undefined : readMemory(file, text)
  const own = stored?.name ?? name
  if (own === undefined || !isKeyName(own))
    throw new Stop(
      EXIT.usage,
      'a new witness needs a --name without spaces or +',
      'Like a URL without https://: --name witness.example/w1',
    )
  if (name !== undefined && name !== own)
    throw new Stop(
      EXIT.usage,
      `the witness in ${oneLine(dir)} is ${oneLine(own)}`,
      'Leave --name out, or take another folder.',
    )
  const logs: Logs = { ...stored?.logs }
  const save = (): void => writeDurably(file, `${JSON.stringify({ v: 1, name: own, logs })}\n`)
  if (pem === undefined) {
    // The memory first: a key never stands without it.
    save()
    writeDurably(keyFile, newPrivateKey())
  }
  const { publicKey, sign } = readPrivateKey(pem ?? readFileSync(keyFile, 'utf8'))
  return {
    name: own,
    publicKey,
    sign,
    lastOf(origin) {
      const last = Object.hasOwn(logs, origin) ? logs[origin] : undefined
      return last && { size: last.size, root: fromBase64(last.root) ?? new Uint8Array() }
    },
    remember(origin, head) {
      logs[origin] = { size: head.size, root: toBase64(head.root) }
      save()
    },
    keepFork(note) {
      const fd = openSync(path.join(dir, 'forks.txt'), 'a', 0o600)
      writeSync(fd, `${note}\n`)
      closeSync(fd)
    },
    close: unlock,
  }
}

function readMemory(file: string, text: string): { readonly name: string; readonly logs: Logs } {
  try {
    const { v, name, logs } = JSON.parse(text) as { v: unknown; name: string; logs: Logs }
    const sound = Object.values(logs).every(
      (one) => Number.isSafeInteger(one.size) && one.size >= 0 && fromBase64(one.root)?.length === 32,
    )
    if (v === 1 && typeof name === 'string' && sound) return { name, logs }
  } catch {
    // Said below.
  }
  throw new Stop(
    EXIT.failed,
    `${oneLine(file)} is damaged`,
    'Put back a copy that is at least as new, or start a new witness in an empty folder.',
  )
}

/** Whole or not at all, and on the disk when it returns: the file, then its name in the folder. */
function writeDurably(file: string, text: string): void {
  const draft = `${file}.tmp`
  rmSync(draft, { force: true })
  const fd = openSync(draft, 'wx', 0o600)
  writeSync(fd, text)
  fsyncSync(fd)
  closeSync(fd)
  renameSync(draft, file)
  const folder = openSync(path.dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

function lock(file: string): () => void {
  for (const again of [true, false])
    try {
      const fd = openSync(file, 'wx', 0o600)
      writeSync(fd, String(process.pid))
      closeSync(fd)
      return () => rmSync(file, { force: true })
    } catch (cause) {
      const holder = (cause as NodeJS.ErrnoException).code === 'EEXIST' ? holderOf(file) : undefined
      if (holder === undefined && again && (cause as NodeJS.ErrnoException).code === 'EEXIST')
        rmSync(file, { force: true })
      else
        throw new Stop(
          EXIT.failed,
          `${oneLine(path.dirname(file))} is in use by process ${holder ?? 'unknown'}, or cannot be written`,
          undefined,
          { cause },
        )
    }
  throw new Stop(EXIT.failed, `${oneLine(file)} could not be made`)
}

function holderOf(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) return undefined
    process.kill(pid, 0)
    return pid
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM' ? 0 : undefined
  }
}
