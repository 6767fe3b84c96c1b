/**
 * Who of a group watches whom. Everybody watching everybody is n² connections, and n² addresses in the group's metadata:
 * with 100 workers more than Kafka takes. So each watches a few others, which is enough for a death to be noticed at once.
 *
 * Invariants
 * 1. Nobody is its own neighbour, and nobody is listed twice.
 * 2. Everybody watches `NEIGHBOURS` others, and as many watch it; in a smaller group everybody watches everybody.
 * 3. The same members give the same neighbours, in whatever order they are listed. One that comes or goes changes those of
 *    `NEIGHBOURS` others.
 */
import { compare } from './assignor-group.js'

/** When half of a group dies at once, one in 2⁸ of the dead had no watcher that lives: it is left to the session timeout. */
export const NEIGHBOURS = 8

/** In a ring of all members each watches those that come next. */
export function neighboursOf(memberIds: readonly string[]): ReadonlyMap<string, readonly string[]> {
  // By hash and not by name: workers of one machine have names that stand together, and often die together.
  const ring = [...new Set(memberIds)]
    .map((id) => ({ id, place: hash(id) }))
    .sort((a, b) => a.place - b.place || compare(a.id, b.id))
    .map(({ id }) => id)
  const twice = [...ring, ...ring]
  const count = Math.min(NEIGHBOURS, ring.length - 1)
  return new Map(ring.map((id, at) => [id, twice.slice(at + 1, at + 1 + count)]))
}

/** FNV-1a, 32 bits, with a last stir: ids that differ in one character come to lie far apart. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
  return (state ^ (state >>> 13)) >>> 0
}
