import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** On a broker that the set-up provides, and on what it built. */
const onBroker = {
  globalSetup: here('./test/support/global-setup.ts'),
  // One broker and two cores: files that run beside each other would only wait for each other.
  fileParallelism: false,
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
          testTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
