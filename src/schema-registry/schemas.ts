/**
 * The schemas that a process has got from a registry, by id. What an id means never changes, so it is asked for once.
 *
 * 1. An id that the registry does not know is asked for MAX_ASKS times before it counts as unknown: one that was registered a
 *    moment ago may not have reached every node of the registry. Later it is asked for again, at most every FORGET_AFTER_MS.
 * 2. Ids come from records, and so may be anything: what is remembered of unknown ones is bounded.
 */
import { PotorooError } from '../errors.js'
import type { Registry, Schema, Unusable } from './registry.js'

/** A schema with those that it refers to, each behind the ones that it needs itself. */
export interface WholeSchema extends Schema {
  readonly parts: readonly SchemaPart[]
}
export interface SchemaPart {
  readonly name: string
  readonly text: string
}
/** The registry does not know it. */
export const UNKNOWN = 'unknown'

interface Unknown {
  readonly asked: number
  readonly atMs: number
}

const MAX_ASKS = 3
const FORGET_AFTER_MS = 30_000
const MAX_UNKNOWN = 1_000

export class Schemas {
  readonly #known = new Map<number, WholeSchema | Unusable>()
  readonly #unknown = new Map<number, Unknown>()
  readonly #asking = new Map<number, Promise<void>>()

  constructor(
    readonly registry: Registry,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  /** Undefined: it was not asked for. */
  get(id: number): WholeSchema | Unusable | typeof UNKNOWN | undefined {
    return this.#known.get(id) ?? (this.#unknown.has(id) ? UNKNOWN : undefined)
  }

  add(id: number, schema: WholeSchema | Unusable): void {
    this.#known.set(id, schema)
    this.#unknown.delete(id)
  }

  /** Resolves when `get` has an answer; undefined: it has. Rejects where the registry can't be asked, or is to be asked again. */
  missing(id: number): Promise<void> | undefined {
    if (this.#known.has(id)) return undefined
    const unknown = this.#unknown.get(id)
    if (unknown !== undefined && unknown.asked >= MAX_ASKS && this.monotonicMs() - unknown.atMs < FORGET_AFTER_MS)
      return undefined
    const asking = this.#asking.get(id)
    if (asking !== undefined) return asking
    const asked = this.#ask(id).finally(() => this.#asking.delete(id))
    this.#asking.set(id, asked)
    return asked
  }

  /** The schema with its parts, unless one of them is missing. */
  async whole(schema: Schema): Promise<WholeSchema | Unusable> {
    const parts = new Map<string, SchemaPart>()
    const unusable = await this.#collect(schema, parts)
    return unusable === undefined ? { ...schema, parts: [...parts.values()] } : { unusable }
  }

  async #ask(id: number): Promise<void> {
    const schema = await this.registry.byId(id)
    if (schema !== undefined) {
      this.add(id, 'unusable' in schema ? schema : await this.whole(schema))
      return
    }
    const before = this.#unknown.get(id)
    const asked = before === undefined || before.asked >= MAX_ASKS ? 1 : before.asked + 1
    this.#unknown.delete(id)
    this.#unknown.set(id, { asked, atMs: this.monotonicMs() })
    for (const oldest of this.#unknown.keys()) {
      if (this.#unknown.size <= MAX_UNKNOWN) break
      this.#unknown.delete(oldest)
    }
    if (asked < MAX_ASKS)
      throw new PotorooError(
        'REGISTRY_UNREACHABLE',
        `${this.registry.name} has no schema with id ${String(id)}: asking again, because a new one may not have reached all replicas yet`,
      )
  }

  /** Says what is missing. */
  async #collect({ references }: Schema, parts: Map<string, SchemaPart>): Promise<string | undefined> {
    for (const { name, subject, version } of references) {
      if (parts.has(name)) continue
      const part = await this.registry.version(subject, version)
      if (part === undefined)
        return `${this.registry.name} has no version ${String(version)} of ${subject}, which it refers to as ${name}`
      const missing = await this.#collect(part, parts)
      if (missing !== undefined) return missing
      parts.set(name, { name, text: part.text })
    }
    return undefined
  }
}
