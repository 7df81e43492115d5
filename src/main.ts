#!/usr/bin/env node
import { run } from './cli/run.ts'
import { processTerminal } from './cli/terminal.ts'
import type { StartFlags } from './config.ts'

process.exitCode = await run(process.argv.slice(2), processTerminal(), {
  start: async (_, flags: StartFlags) => (await import('./boot.ts')).start(flags),
  tour: async (cli) => (await import('./tour/tour.ts')).tour({ json: cli.wantsJson }),
})
