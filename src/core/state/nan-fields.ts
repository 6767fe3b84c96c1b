/**
 * NaN that a state object is about to be stored with: mostly a sum with a field that older state objects do not have, for
 * `undefined + 1` is NaN, and nobody complains. Packing tells that there is one, because it looks at every number anyway; where it is, is
 * looked for only then.
 */
import type { StateDefinition } from '../../api/definition.js'

/** Each field of a kind of state object once. */
export interface StoredNaN {
  /** Name of the state object. */
  readonly state: string
  /** Path of the field; `[]` is any element of an array, `<value>` any of a Map. */
  readonly field: string
  /** Of the first one that it was found in. */
  readonly key: string
}

/** Whoever means to keep NaN pays for the search so often, and no more. */
const MAX_SEARCHES = 1_000
/** As packing goes. */
const MAX_DEPTH = 200

export class NaNWatch {
  readonly #kinds = new Map<StateDefinition, { readonly known: Set<string>; searches: number }>()
  #found: StoredNaN[] = []

  /** `object` was packed just now, and has one. */
  found(definition: StateDefinition, object: object, key: string): void {
    let kind = this.#kinds.get(definition)
    if (kind === undefined)
      this.#kinds.set(definition, (kind = { known: new Set(meantBy(definition, key)), searches: 0 }))
    if (kind.searches >= MAX_SEARCHES) return
    kind.searches++
    for (const field of nanFields(definition.toPlain(object)))
      if (!kind.known.has(field)) {
        kind.known.add(field)
        this.#found.push({ state: definition.name, field, key })
      }
  }

  /** What was found since it was taken last. */
  take(): readonly StoredNaN[] {
    if (this.#found.length === 0) return NONE
    const found = this.#found
    this.#found = []
    return found
  }
}

const NONE: readonly StoredNaN[] = []

/** What begins as NaN is meant to be able to be it. */
function meantBy(definition: StateDefinition, key: string): readonly string[] {
  try {
    return nanFields(definition.toPlain(definition.initial(key)))
  } catch {
    return []
  }
}

function nanFields(root: unknown): readonly string[] {
  const fields = new Set<string>()
  const seen = new Set<object>()
  const visit = (value: unknown, path: string, depth: number): void => {
    if (typeof value === 'number') {
      if (Number.isNaN(value)) fields.add(path)
    } else if (typeof value === 'object' && value !== null && depth <= MAX_DEPTH && !seen.has(value)) {
      seen.add(value)
      // In typed arrays of numbers NaN is data.
      if (ArrayBuffer.isView(value)) return
      if (Array.isArray(value)) for (const element of value) visit(element, `${path}[]`, depth + 1)
      else if (value instanceof Map) for (const element of value.values()) visit(element, `${path}.<value>`, depth + 1)
      else if (value instanceof Set) for (const element of value) visit(element, `${path}.<element>`, depth + 1)
      else
        for (const [name, element] of Object.entries(value))
          visit(element, path === '' ? name : `${path}.${name}`, depth + 1)
    }
  }
  visit(root, '', 0)
  return [...fields]
}
