/** src/core/state/stored.ts: packed bytes without the application that has packed them. */
import { describe, expect, it } from 'vitest'
import { stateDefinition } from '../../../../src/api/state-object.js'
import { bytesOf } from '../../../../src/core/records/byte-string.js'
import { pack } from '../../../../src/core/state/packing.js'
import { storedFields } from '../../../../src/core/state/stored.js'
import { stateObject } from '../../../../src/index.js'

const packed = (definition: Parameters<typeof stateDefinition>[0], state: object): Buffer =>
  bytesOf(pack(stateDefinition(definition, 'the test'), state))

describe('stored fields', () => {
  it('are those of any state object, plain or rich, with its version', () => {
    const plain = stateObject('plain', () => ({ n: 0 }))
    const rich = stateObject('rich', () => ({ seen: new Map<string, Date>(), big: 0n }))
    const newer = stateObject('newer', () => ({ n: 0 }), { upgrades: [(old: object) => old, (old: object) => old] })
    const seen = new Map([['a', new Date(5)]])
    expect(storedFields(packed(plain, { n: 7 }))).toEqual({ version: 0, fields: { n: 7 } })
    expect(storedFields(packed(rich, { seen, big: 2n ** 70n }))).toEqual({
      version: 0,
      fields: { seen, big: 2n ** 70n },
    })
    expect(storedFields(packed(newer, { n: 8 }))).toEqual({ version: 2, fields: { n: 8 } })
  })

  it.each([[[]], [[0xc0]], [[0xc0, 0x7f, 1]], [[0xc1, 9, 9]], [[7]], [[0x81, 0xa1]]])(
    'are none where the bytes are %j',
    (bytes) => {
      expect(storedFields(Buffer.from(bytes))).toBeUndefined()
    },
  )
})
