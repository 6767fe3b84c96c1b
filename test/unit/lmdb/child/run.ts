import { scriptRunner } from '../../../support/child.js'

export type { Child } from '../../../support/child.js'

/** Runs a script of this folder in a process of its own. */
export const run = scriptRunner('test/unit/lmdb/child', [
  'src/errors.ts',
  'src/api',
  'src/core',
  'src/lmdb',
  'src/ports',
])
