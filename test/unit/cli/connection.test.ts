import { describe, expect, test } from 'vitest'
import { connectionOf } from '../../../src/cli/connection.js'

describe('connectionOf', () => {
  test('takes the flag, else the variable, else where potoroo broker listens', () => {
    expect(connectionOf({ KAFKA_BROKERS: 'a:1' }, { brokers: 'b:2,c:3' }).brokers).toEqual(['b:2', 'c:3'])
    expect(connectionOf({ KAFKA_BROKERS: 'a:1' }, {}).brokers).toEqual(['a:1'])
    expect(connectionOf({ KAFKA_BROKERS: '' }, {}).brokers).toEqual(['127.0.0.1:9092'])
    expect(connectionOf({}, {}).brokers).toEqual(['127.0.0.1:9092'])
  })

  test('names what is wrong', () => {
    expect(() => connectionOf({}, { brokers: 'a:b' })).toThrow('--brokers')
    for (const brokers of ['', ' , ']) expect(() => connectionOf({}, { brokers })).toThrow('--brokers names no broker')
    expect(() => connectionOf({ KAFKA_BROKERS: 'a:b' }, {})).toThrow('KAFKA_BROKERS')
    expect(() => connectionOf({ KAFKA_SASL_MECHANISM: 'nix' }, { brokers: 'a:1' })).toThrow('KAFKA_SASL_MECHANISM')
  })
})
