/** Codecs of a registry in a test: opened, and asked as the runtime asks them. */
import type { Codec } from '../../../src/index.js'
import { codecFormat, type Format } from '../../../src/api/codec.js'
import { isPotorooError, type PotorooError } from '../../../src/errors.js'

export const TOPIC = 'things'

export class OpenedCodec {
  private constructor(readonly format: Format) {}

  static async open(codec: Codec<unknown, never>, ...uses: readonly ('read' | 'write')[]): Promise<OpenedCodec> {
    const format = codecFormat(TOPIC, codec, undefined)
    for (const use of uses) await format.codec?.open(use)
    return new OpenedCodec(format)
  }

  encode(message: unknown): Buffer {
    return Buffer.from(this.format.encode(message))
  }

  /** As often as it takes, and from memory that is used again. */
  async decode(value: Uint8Array): Promise<unknown> {
    const answer = Buffer.concat([Buffer.from('before'), value, Buffer.from('behind')])
    const [start, end] = [6, 6 + value.length]
    for (let tries = 0; tries < 5; tries++)
      try {
        await this.format.codec?.prepare?.(answer, start, end)
      } catch (error) {
        if (!isPotorooError(error) || !error.retriable) throw error
      }
    const message = this.format.decode(answer, start, end)
    answer.fill(0xee)
    return message
  }
}

/** What it fails with. */
export async function failureOf(call: () => unknown): Promise<PotorooError> {
  try {
    await call()
  } catch (error) {
    if (isPotorooError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}
