import fc from 'fast-check'
import { expect, it } from 'vitest'
import { utf8Text } from '../../../../src/core/records/byte-string.js'

const contents = fc.oneof(
  fc.string({ maxLength: 40 }).map((text) => Buffer.from(text)),
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
)

it('utf8Text gives what Buffer.toString gives, of what is no UTF-8, too', () => {
  fc.assert(
    fc.property(contents, fc.nat({ max: 5 }), (bytes, before) => {
      const among = Buffer.concat([Buffer.alloc(before, 'é'), bytes, Buffer.from('behind')])
      expect(utf8Text(among, before, before + bytes.length)).toBe(bytes.toString('utf8'))
    }),
    { numRuns: 1000 },
  )
})
