/** Of what is kept of a kind there are a few at most, and those that are of use. */

export interface Used {
  /** How often it was of use, since that was counted from zero. */
  found: number
}

/** Takes out the one that is used least, where more than its share was not found: `missed` times. Starts counting again. */
export function makeRoom<T extends Used>(kept: T[], missed: number): T | undefined {
  const least = kept.reduce((a, b) => (b.found < a.found ? b : a))
  const isSeldom = least.found * kept.length < missed
  for (const one of kept) one.found = 0
  if (!isSeldom) return undefined
  kept.splice(kept.indexOf(least), 1)
  return least
}
