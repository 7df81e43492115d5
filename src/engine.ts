import { mkdirSync, statSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import path from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * The SQL parser is WebAssembly with one very large function. To optimise it takes half a gigabyte for a moment and a core
 * for half a second, in the middle of traffic, and what comes out parses no faster than what was there before.
 */
const PARSER_AS_IT_IS = ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering']

/**
 * Half of the young part of a gateway process's heap, in MiB: a burst of sign-ins would fill V8's own 32 for good. A statement
 * leaves so little behind that its CPU was the same with 2, 4, 8 and 16.
 */
const NEW_SPACE = '--max-semi-space-size=2'
/** The same for a process that runs already: its young part stays as it is. */
const NEW_SPACE_STAYS = '--semi-space-growth-factor=1'

/** Sets V8 up for what is about to be loaded. Before anything else. */
export function tuneEngine(env: NodeJS.ProcessEnv): void {
  // INVARIANT: first, as compiled code belongs to the flags it was compiled under.
  for (const flag of PARSER_AS_IT_IS) setFlagsFromString(flag)
  keepCode(env)
}

/**
 * Keep what is compiled from now on in `$XDG_CACHE_HOME/holdpoint/code`: whoever finds it there starts in less time, and,
 * where types are stripped as files are loaded, with 30 MiB less memory a process. Anything in the way of it stops nobody.
 */
function keepCode(env: NodeJS.ProcessEnv): void {
  const base = env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache')
  const folder = path.join(base, 'holdpoint', 'code')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if ([base, path.dirname(folder), folder].every(isOurs)) module.enableCompileCache(folder)
  } catch {
    // A home that cannot be written to, or none.
  }
}

/** INVARIANT: what lies in there is run. Under `sudo -E` the folder is one of somebody else. */
function isOurs(folder: string): boolean {
  const { uid, mode } = statSync(folder)
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)
}

/**
 * How to start a process of the gateway: it finds there what was compiled here so far, which is written down now. Everything
 * that the server needs is loaded then, and its own heap has grown enough.
 */
export function gatewayEngine(): { readonly execArgv: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const execArgv = ['--disable-warning=ExperimentalWarning', NEW_SPACE, ...PARSER_AS_IT_IS]
  // A folder in the one that was asked for, named after the version of Node and the flags.
  const folder = module.getCompileCacheDir()
  if (folder === undefined) return { execArgv, env: process.env }
  module.flushCompileCache()
  // INVARIANT: not before. What is compiled under this flag is of no use to the other processes.
  setFlagsFromString(NEW_SPACE_STAYS)
  return { execArgv, env: { ...process.env, NODE_COMPILE_CACHE: path.dirname(folder) } }
}

/**
 * Give back what starting has left behind: the young part of the heap has grown to tens of MiB for modules and documents
 * that were read once, and V8 shrinks it in a whole collection alone. Once, when everything is up; costs some 50 ms.
 */
export function settleHeap(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  // `last-resort` is what also gives pages back.
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
