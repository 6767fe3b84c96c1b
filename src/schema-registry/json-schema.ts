/** JSON behind the id of its JSON Schema. The registry's schema checks nothing here: that is for the topic's own to do. */
import { encodeMessage, readJson, type BigIntegers } from '../api/json/codec.js'
import { JsonShapes } from '../api/json/json-shape.js'
import type { Format, Read, Write } from './format.js'
import { HEADER_BYTES, headerOf } from './wire-format.js'

export class JsonSchemaFormat implements Format {
  readonly type = 'JSON'
  readonly name = 'JSON'
  readonly #shapes = new JsonShapes()

  constructor(private readonly bigIntegers: BigIntegers) {}

  async load(): Promise<void> {
    // Nothing is needed.
  }

  reader(): Read {
    return (value, topic) => readJson(topic, this.#shapes, value, HEADER_BYTES, value.length, this.bigIntegers)
  }

  writer(id: number): Write {
    const header = headerOf(id)
    return (message, topic) => Buffer.concat([header, Buffer.from(encodeMessage(topic, message, this.bigIntegers))])
  }
}
