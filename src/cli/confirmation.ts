/** Whoever changes much says so twice. */
import { createInterface } from 'node:readline/promises'
import { PotorooError } from '../errors.js'
import type { CliContext } from './context.js'
import { printable } from './printable.js'

/** Rejects with INVALID_CONFIGURATION unless the name is the next line of standard input. */
export async function confirmed(name: string, { stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>): Promise<void> {
  stderr.write(printable(`Type ${name} to go on: `))
  const lines = createInterface({ input: stdin })
  try {
    for await (const line of lines) {
      if (line.trim() === name) return
      break
    }
  } finally {
    lines.close()
  }
  throw new PotorooError(
    'INVALID_CONFIGURATION',
    `nothing was changed: the name was not typed; with --yes, no confirmation is needed`,
  )
}
