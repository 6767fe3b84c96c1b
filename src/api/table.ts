/** Tables: streams as state, the last message of each key. Whoever has the same key may read it. */
import type { StateDefinition, StreamNode, TableNode } from './definition.js'
import { checkName } from './names.js'
import { stateKey, type AnyStateObject, type state } from './state-object.js'

export interface Table<out V> extends AnyStateObject {
  /** Exists for the type checker alone; not what a state object has, for computations do not write a table. */
  readonly [state]?: { readonly entry: () => V }
}

/** Written by its stream alone: there is nothing that it begins with. */
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

/** Of a stream whose messages have a key. Throws INVALID_DEFINITION. */
export function tableOf<V>(name: string, upstream: StreamNode): Table<V> {
  checkName('a table', name)
  return { name, [stateKey]: new TableDefinition(name, upstream) }
}
