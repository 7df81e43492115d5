import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Conditions are waited for, not timed: a busy machine may take its time.
    expect: { poll: { timeout: 10_000 } },
    maxWorkers: 2,
  },
})
