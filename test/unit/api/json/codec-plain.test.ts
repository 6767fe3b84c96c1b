/** The same suite as codec.test.ts, on the plain reader: what is read by shape has to be what JSON.parse gives. */
import { expect, it, vi } from 'vitest'
import { PlainReader } from '../../../../src/api/json/json-reader.js'
import { JsonShapes } from '../../../../src/api/json/json-shape.js'
import './codec.test.js'

vi.mock('../../../../src/api/json/json-shape.js', () => ({ JsonShapes: PlainReader }))

it('runs on the plain reader', () => {
  expect(new JsonShapes()).toBeInstanceOf(PlainReader)
})
