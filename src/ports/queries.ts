/** State objects of any key, queried on any worker: for code that serves them to the outside. */
import type { StateDefinition } from '../api/definition.js'
import type { AsOf, Consistency, Given, StateAnswer } from '../core/query/question.js'
import type { ByteRange, MergedPage } from '../core/query/range.js'

export interface PointOptions {
  readonly consistency?: Consistency | undefined
  /** No older than the commit with this position in the changelog. */
  readonly atLeast?: number | undefined
}

export interface FoundPage extends MergedPage {
  /** By partition: the commit that its part reflects. */
  readonly parts: readonly (Given & { readonly partition: number; readonly asOf: AsOf })[]
}

export interface QueryService {
  /** Names of state objects, tables, windows and interval joins. */
  readonly states: readonly string[]
  /** Throws STATE_UNKNOWN. */
  definition(state: string): StateDefinition
  /** Rejects with STATE_UNKNOWN, QUERY_INVALID, QUERY_UNANSWERED, STATE_UPGRADE_FAILED, STORE_DAMAGED. */
  get(state: string, key: string, options?: PointOptions): Promise<StateAnswer>
  /** `most`: at most 1,000. */
  page(state: string, range: ByteRange, most: number, consistency?: Consistency): Promise<FoundPage>
}
