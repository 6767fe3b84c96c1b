/** When things happen in worlds that look at time. */
import type { SeededRandom } from '../../../src/memory/random.js'
import type { FeedPlan } from './simulated-application.js'

/** The world's clock begins there. */
export const START_MS = Date.UTC(2024, 0, 1)

/** Moments of a feed, in their order, `most` at most. `quiet`: for a while in the middle nothing comes, and yet time goes on. */
export function drawMoments(
  random: SeededRandom,
  { events, fromMs, toMs }: Pick<FeedPlan, 'events' | 'fromMs' | 'toMs'>,
  most: number,
  quiet = random.chance(0.5),
): readonly number[] {
  return Array.from({ length: Math.min(events, most) }, () => {
    const share = random.next()
    const at = quiet ? (share < 0.5 ? share * 0.4 : 0.6 + share * 0.4) : share
    return Math.floor(fromMs + at * (toMs - fromMs))
  }).sort((a, b) => a - b)
}
