/** Tables: streams as state, the last message of each key. Anything with the same key may read it. */
import type { StateDefinition, StreamNode, TableNode } from './definition.js'
import { checkName } from './names.js'
import { stateKey, type AnyStateObject, type state } from './state-object.js'

export interface Table<out V> extends AnyStateObject {
  /** Exists only for the type checker; it differs from a state object's, because computations do not write a table. */
  readonly [state]?: { readonly entry: () => V }
}

/** Only its stream writes it, so it has no initial value. */
class TableDefinition implements StateDefinition {
  readonly table: TableNode
  readonly partitions = undefined
  readonly beginsAlike = true
  readonly prototype = Object.prototype
  readonly upgrades = []

  constructor(
    readonly name: string,
    upstream: StreamNode,
  ) {
    this.table = { kind: 'table', upstream, state: this }
  }

  initial(): object {
    return {}
  }
  toPlain(entry: object): object {
    return entry
  }
  fromPlain(plain: unknown): object {
    return plain as object
  }
}

/** For a stream whose messages have a key. Throws INVALID_DEFINITION. */
export function tableOf<V>(name: string, upstream: StreamNode): Table<V> {
  checkName('a table', name)
  return { name, [stateKey]: new TableDefinition(name, upstream) }
}
