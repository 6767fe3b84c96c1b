import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** On a broker that the set-up provides, and on what it built. */
const onBroker = {
  globalSetup: here('./test/support/global-setup.ts'),
  hookTimeout: 120_000,
}

/** Tests run on the sources; only what starts the command line runs what was built (the global set-up builds it). */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^potoroo$/, replacement: here('./src/index.ts') },
      { find: /^potoroo\/testing$/, replacement: here('./src/testing/index.ts') },
      { find: /^potoroo\/schema-registry$/, replacement: here('./src/schema-registry/index.ts') },
      { find: /^potoroo\/market-spread$/, replacement: here('./src/market-spread/application.ts') },
      { find: /^#potoroo\/(.*)\.js$/, replacement: here('./src/$1.ts') },
      { find: /^#topics\/(.*)\.js$/, replacement: here('./topics/$1.ts') },
    ],
  },
  test: {
    // A bound for what hangs, not for what is slow on a busy machine.
    testTimeout: 60_000,
    reporters: ['default', here('./test/support/summary-reporter.ts')],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/sim/**/*.test.ts'],
          // All cores: vitest leaves one of them idle by default, which is half of two.
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'kafka',
          include: ['test/kafka/**/*.test.ts'],
          ...onBroker,
          // Most of them wait for a timeout, a session or a broker: meanwhile another file goes on, on the same broker.
          maxWorkers: 2,
          // Some take 40 s on an idle machine.
          testTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          // What takes too long for every change: .ci/nightly.
          name: 'nightly',
          include: ['test/nightly/**/*.test.ts'],
          ...onBroker,
          // Some start several brokers, some measure: one at a time.
          fileParallelism: false,
          testTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          // No tests: `npm run screenshots`.
          name: 'screenshots',
          include: ['test/screenshots/pictures.ts'],
          ...onBroker,
          testTimeout: 600_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
