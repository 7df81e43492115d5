#!/usr/bin/env node
import { run } from './cli/run.ts'
import { processTerminal } from './cli/terminal.ts'

const BOOT = './boot.ts'
type Start = (options: unknown) => Promise<number | void>

process.exitCode = await run(process.argv.slice(2), processTerminal(), {
  start: async (_, flags) => ((await import(BOOT)) as { start: Start }).start(flags),
  tour: async (cli) => (await import('./tour/tour.ts')).tour({ json: cli.wantsJson }),
})
