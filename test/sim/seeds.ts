/** How many seeds the tests look through, from 1 on; the nightly run looks through more (`.ci/nightly`). */
export const SEEDS = 200
/** Through src/kafka. */
export const WIRE_SEEDS = 100
