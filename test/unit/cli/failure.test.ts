import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { reportFailure } from '../../../src/cli/failure.js'
import { errorKinds, PotorooError } from '../../../src/errors.js'

function report(error: unknown, debug = false): { readonly code: number; readonly text: string } {
  const stderr = new PassThrough()
  const code = reportFailure(error, stderr, debug)
  return { code, text: (stderr.read() as Buffer).toString() }
}

describe('reportFailure', () => {
  test('is one line with code, message and cure, and the code’s exit status', () => {
    const { code, text } = report(new PotorooError('TOPIC_MISSING', 'there is no topic a'))
    expect(text).toBe(`error TOPIC_MISSING: there is no topic a. ${errorKinds.TOPIC_MISSING.cure}\n`)
    expect(code).toBe(3)
  })

  test('shows stacks, causes too, only when debugging', () => {
    const error = new PotorooError('REQUEST_FAILED', 'no', { cause: new Error('the cause') })
    expect(report(error).text.split('\n')).toHaveLength(2)
    const { text } = report(error, true)
    expect(text).toContain('failure.test.ts')
    expect(text).toContain('caused by: Error: the cause')
  })

  test('what is no error of ours is a defect', () => {
    expect(report(new TypeError('x is undefined'))).toMatchObject({ code: 1 })
    expect(report('text').text).toMatch(/^error INTERNAL: text\. /)
  })
})
