/** A registry within the process, for tests. Whatever is looked up in it is registered from then on. */
import type { RegisteredSchema, Registry, Schema } from './registry.js'

export class MemoryRegistry implements Registry {
  readonly name = 'the schema registry in memory'
  readonly #schemas: RegisteredSchema[] = []
  /** By subject: ids, in the order of their versions, from 1. */
  readonly #subjects = new Map<string, number[]>()

  async byId(id: number): Promise<Schema | undefined> {
    return Promise.resolve(this.#schemas[id - 1])
  }

  async version(subject: string, version: number | 'latest'): Promise<RegisteredSchema | undefined> {
    const ids = this.#subjects.get(subject) ?? []
    const id = version === 'latest' ? ids.at(-1) : ids[version - 1]
    return Promise.resolve(id === undefined ? undefined : this.#schemas[id - 1])
  }

  async lookUp(subject: string, schema: Schema): Promise<number> {
    return this.register(subject, schema)
  }

  async register(subject: string, { type, text, references }: Schema): Promise<number> {
    const like = JSON.stringify([type, text, references])
    const there = this.#schemas.find((one) => JSON.stringify([one.type, one.text, one.references]) === like)
    const id = there?.id ?? this.#schemas.length + 1
    if (there === undefined) this.#schemas.push({ id, type, text, references })
    const ids = this.#subjects.get(subject) ?? []
    if (!ids.includes(id)) this.#subjects.set(subject, [...ids, id])
    return Promise.resolve(id)
  }
}
