/** State objects as whoever looks at them from outside of computations sees them, in a test or by a query. */
import type { StateDefinition } from '../../api/definition.js'
import type { OpenPairs, OpenSide } from '../../api/open-pairs.js'
import type { OpenWindows } from '../../api/open-windows.js'
import type { SetTimer, SideMessage } from '../../api/queries.js'
import { compareTimers, hasTimes, readHeader } from '../state/header.js'

/** Windows as a list, open messages of an interval join by side; anything else as it is. */
export function visibleState(definition: StateDefinition, state: object, key: string): object {
  if (definition.windows !== undefined) return (state as OpenWindows).list.map((window) => ({ key, ...window }))
  if (definition.pairs === undefined) return state
  const { left, right } = state as OpenPairs
  return { left: visibleSide(left), right: visibleSide(right) }
}

const visibleSide = ({ list }: OpenSide): SideMessage<unknown>[] =>
  list.map(({ atMs, hasMet, message }) => ({ timestampMs: atMs, hasMet, message }))

/** The timers of a packed state object, in the order in which they are due. */
export function timersIn(packed: Uint8Array): readonly SetTimer[] {
  if (!hasTimes(packed, 0, packed.length)) return []
  const found = readHeader(packed, 0, packed.length)
  if (found.kind !== 'known') return []
  const { time, wall } = found.header
  return [...time, ...wall].sort(compareTimers).map(({ name, id, dueMs }) => ({ name, id, dueMs }))
}
