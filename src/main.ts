#!/usr/bin/env node
import type { BackupInput } from './backup.ts'
import type { RestoreInput } from './restore.ts'
import type { StartFlags } from './config.ts'

// INVARIANT: this file imports nothing but types before the version is known: an older Node fails in what comes then.
const NEEDED = 24
if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(`error: Holdpoint needs Node ${NEEDED} or newer; this is v${process.versions.node}\n`)
  process.exit(1)
}

const { tuneEngine } = await import('./engine.ts')
tuneEngine(process.env)
const [{ run }, { processTerminal }] = await Promise.all([import('./cli/run.ts'), import('./cli/terminal.ts')])
process.exitCode = await run(process.argv.slice(2), processTerminal(), {
  start: async (_, flags: StartFlags) => (await import('./boot.ts')).start(flags),
  backup: async (cli, input: BackupInput) => (await import('./backup.ts')).backup(cli, input),
  restore: async (cli, input: RestoreInput) => (await import('./restore.ts')).restore(cli, input),
  tour: async (cli) => (await import('./tour/tour.ts')).tour({ json: cli.wantsJson }),
})
