/**
 * A changelog's identity: random, and of which sub-topology it is. Its topic is named `<application>-<sub-topology>-changelog`,
 * and names may have hyphens: application `a` with state object `b-c` and application `a-b` with state object `c` would
 * share a topic, and each take the other's state objects for its own. The identity tells them apart.
 */

/** No name has one (src/api/names.ts). */
const SEPARATOR = '/'

export const changelogIdentity = (randomId: string, subTopology: string): string =>
  `${randomId}${SEPARATOR}${subTopology}`

/** Undefined where an earlier version wrote it, which did not say. */
export function subTopologyIn(identity: string): string | undefined {
  const at = identity.indexOf(SEPARATOR)
  return at < 0 ? undefined : identity.slice(at + 1)
}

/** In words, which application and state object a changelog of this name is of. */
export function changelogOwner(topic: string, subTopology: string): string {
  const application = topic.slice(0, -`-${subTopology}-changelog`.length)
  return `application ${application} with state object ${subTopology}`
}
