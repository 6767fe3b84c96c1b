/** Prints what users install with Potoroo, each with its licence, as the lock file has it: for a list of third parties. */
import { readFileSync } from 'node:fs'
import { licencesOf } from './release-rules.mjs'

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'))
process.stdout.write(
  licencesOf(lock)
    .map(({ name, licence }) => `${name.padEnd(50)} ${licence}\n`)
    .join(''),
)
