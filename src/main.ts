#!/usr/bin/env node
import { run } from './cli/run.ts'
import { processTerminal } from './cli/terminal.ts'

const BOOT = './boot.ts'
const TOUR = './tour/tour.ts'
type Part = (options: unknown) => Promise<number | void>

process.exitCode = await run(process.argv.slice(2), processTerminal(), {
  start: async (_, flags) => ((await import(BOOT)) as { start: Part }).start(flags),
  tour: async (_, options) => ((await import(TOUR)) as { tour: Part }).tour(options),
})
