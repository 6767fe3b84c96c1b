/** What `worker.query()` gives: state objects of one kind, unpacked. */
import type { StateDefinition } from '../../api/definition.js'
import type { Answer, KeyRange, Queries, QueryOptions } from '../../api/queries.js'
import { isKey, shownKey } from '../../api/names.js'
import { pairsDefinition } from '../../api/pairs.js'
import { stateDefinition } from '../../api/state-object.js'
import { windowsDefinition } from '../../api/windows.js'
import { givenOf, MAX_PAGE_ENTRIES, type Given } from '../../core/query/question.js'
import { askedRange, textOf, type ByteRange } from '../../core/query/range.js'
import { timersIn, visibleState } from '../../core/query/visible-state.js'
import { bytesOf, type ByteString } from '../../core/records/byte-string.js'
import { unpack } from '../../core/state/packing.js'
import { PotorooError } from '../../errors.js'
import type { QueryService } from '../../ports/queries.js'
import { unknownState } from './router.js'

/** What is asked for: a state object, a table, windows, or an interval join. Throws INVALID_DEFINITION. */
export const askedDefinition = (asked: unknown): StateDefinition =>
  windowsDefinition(asked) ?? pairsDefinition(asked) ?? stateDefinition(asked, 'What query() was given')

export class StateQueries<S> implements Queries<S> {
  /** `service`: undefined where the worker was told to stop before it had started. Throws STATE_UNKNOWN. */
  constructor(
    private readonly definition: StateDefinition,
    private readonly service: () => QueryService | undefined,
  ) {
    const { name } = definition
    const states = service()?.states
    if (states !== undefined && !states.includes(name)) throw unknownState(name, states)
  }

  async get(key: string, { consistency, atLeast }: QueryOptions = {}): Promise<Answer<S>> {
    const found = await this.#service().get(this.definition.name, key, { consistency, atLeast })
    return this.#answerOf(found.packed, key, found)
  }

  async *scan(
    range: KeyRange,
    { consistency = 'committed' }: Pick<QueryOptions, 'consistency'> = {},
  ): AsyncGenerator<{ readonly key: string } & Answer<S>, void, undefined> {
    let rest: ByteRange | undefined = rangeOf(range)
    while (rest !== undefined) {
      const page = await this.#service().page(this.definition.name, rest, MAX_PAGE_ENTRIES, consistency)
      for (const entry of page.entries) {
        const key = textOf(entry.key)
        yield { key, ...this.#answerOf(entry.packed, key, entry) }
      }
      rest = page.rest
    }
  }

  #answerOf(packed: ByteString | undefined, key: string, found: Given): Answer<S> {
    const given = { ...givenOf(found), asOf: { ...found.asOf } }
    if (packed === undefined) return { state: undefined, timers: [], ...given }
    const state = visibleState(this.definition, unpack(this.definition, packed, key), key) as S
    return { state, timers: timersIn(bytesOf(packed)), ...given }
  }

  #service(): QueryService {
    const service = this.service()
    if (service === undefined)
      throw new PotorooError('QUERY_UNANSWERED', 'the worker was stopped before it had started')
    return service
  }
}

function rangeOf(range: KeyRange): ByteRange {
  const asked = range as { readonly [name: string]: unknown }
  for (const name of ['prefix', 'from', 'before'])
    if (asked[name] !== undefined && !isKey(asked[name]))
      throw new PotorooError('QUERY_INVALID', `${name} is ${shownKey(asked[name])}`)
  return askedRange(range)
}
