/**
 * State objects of an older version than the application has: what their upgrades make of them. Pure.
 *
 * Invariants
 * 1. Each step is given what the one before it gave, plain data, and runs once for a state object: the result says of which
 *    version it is, where it is stored.
 * 2. What a step does wrong is STATE_UPGRADE_FAILED: no message is to blame, because the next one would fare no better.
 */
import type { StateDefinition } from '../../api/definition.js'
import { isPromise, shown } from '../../api/names.js'
import { visible } from '../../api/visible.js'
import { messageOf, PotorooError } from '../../errors.js'
import { isAccessor } from './pack-plain.js'

/** What a state object of this version is after all further upgrades. Throws STATE_UPGRADE_FAILED. */
export function upgrade(definition: StateDefinition, key: string, version: number, stored: object): object {
  const { upgrades } = definition
  let plain = stored
  for (let from = version; from < upgrades.length; from++) {
    const step = upgrades[from]
    if (step === undefined) throw new PotorooError('INTERNAL', `state object ${definition.name} has no upgrade`)
    try {
      plain = asPlain(step(plain))
    } catch (error) {
      throw upgradeFailed(definition, key, version, `upgrades[${String(from)}] ${reasonOf(error)}`, error)
    }
  }
  return plain
}

/** `what`: what went wrong, and where. */
export const upgradeFailed = (
  { name, upgrades }: StateDefinition,
  key: string,
  version: number,
  what: string,
  cause?: unknown,
): PotorooError =>
  new PotorooError(
    'STATE_UPGRADE_FAILED',
    `State object ${name} of key '${visible(key.slice(0, 100))}' can't be upgraded from version ${String(version)} to ${String(upgrades.length)}: ${what}.`,
    { cause },
  )

/** What a step gave, where it is none of what it may give. */
class WrongResult extends Error {}

const reasonOf = (error: unknown): string =>
  error instanceof WrongResult ? error.message : `threw: ${messageOf(error)}`

function asPlain(given: unknown): object {
  if (isPromise(given)) {
    given.then(undefined, () => undefined) // its failure would end the process
    throw new WrongResult('returned a promise: upgrades are synchronous')
  }
  if (typeof given !== 'object' || given === null || Object.getPrototypeOf(given) !== Object.prototype)
    throw new WrongResult(
      `returned ${shown(given)}: it must return an object literal whose fields are what is to be stored`,
    )
  // A getter runs again with each look, and would be stored as the value of that moment.
  for (const [field, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(given)))
    if (isAccessor(descriptor)) throw new WrongResult(`returned an object with a getter or setter, ${field}`)
  return given
}
