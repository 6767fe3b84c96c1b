import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { KAFKA_VERSION } from '../../../src/broker/jars.js'
import { brokerProperties, log4jText, propertiesText, sharedProperties } from '../../../src/broker/properties.js'

const settings = { port: 9092, controllerPort: 9093, logDir: '/data/log' }

describe('brokerProperties', () => {
  test('listens on this machine only', () => {
    expect(brokerProperties(settings)).toMatchObject({
      listeners: 'PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093',
      'advertised.listeners': 'PLAINTEXT://127.0.0.1:9092',
      'controller.quorum.voters': '1@127.0.0.1:9093',
      'log.dirs': '/data/log',
    })
  })

  test('creates no topics by itself, waits for no second member, keeps one replica', () => {
    expect(brokerProperties(settings)).toMatchObject({
      'auto.create.topics.enable': 'false',
      'group.initial.rebalance.delay.ms': '0',
      'default.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
    })
  })

  test('what the caller sets goes before the defaults', () => {
    const properties = { 'auto.create.topics.enable': 'true' }
    expect(brokerProperties({ ...settings, properties })['auto.create.topics.enable']).toBe('true')
  })
})

test('docker-compose.yml runs the same version with the same settings', () => {
  const compose = readFileSync(fileURLToPath(new URL('../../../docker-compose.yml', import.meta.url)), 'utf8')
  expect(compose).toContain(`image: apache/kafka:${KAFKA_VERSION}`)
  for (const [key, value] of Object.entries(sharedProperties))
    expect(compose).toContain(`KAFKA_${key.toUpperCase().replaceAll('.', '_')}: '${value}'`)
})

test.each([
  [{ 'log.dirs': '/data dir/a=b' }, 'log.dirs=/data dir/a=b\n'],
  [{ 'log.dirs': 'C:\\data' }, 'log.dirs=C:\\\\data\n'],
  [{ 'log.dirs': ' /x' }, 'log.dirs=\\ /x\n'],
  [{ 'log.dirs': '/dätä' }, 'log.dirs=/d\\u00e4t\\u00e4\n'],
  [{ 'a key:': 'two\nlines' }, 'a\\ key\\:=two\\nlines\n'],
])('%o is escaped as Java reads it', (properties, text) => {
  expect(propertiesText(properties)).toBe(text)
})

test('log4j does not take a path for markup or a variable', () => {
  expect(log4jText('/a&b/$x"<')).toContain('fileName="/a&amp;b/$$x&quot;&lt;"')
})
