import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import example, { orders, payments, refunds, reminders, settled } from '../../../examples/reminders/application.js'
import { ordersAndPayments, remindersDue } from '../../support/reminders-example.js'

const texts = (values: readonly object[]): string[] => values.map((value) => JSON.stringify(value)).sort()

it.each([1, 7])(
  'orders that no payment has met are reminded of, whatever workers do, on %i partitions',
  async (partitions) => {
    const driver = await TestDriver.start(example, { partitions, workers: 2 })
    onTestFinished(() => driver.close())
    const input = ordersAndPayments(60, driver.nowMs, 40_000)
    const due = remindersDue(input)
    const all = [
      ...input.orders.map((one) => ({ ...one, topic: orders })),
      ...input.payments.map((one) => ({ ...one, topic: payments })),
    ].sort((a, b) => a.timestampMs - b.timestampMs)
    for (const [i, { topic, message, timestampMs }] of all.entries()) {
      if (timestampMs > driver.nowMs) await driver.advance(timestampMs - driver.nowMs)
      await driver.pipe(topic, message, { timestampMs })
      if (i === 20) await driver.addWorker()
      if (i === 40) driver.crash('worker-1')
      if (i === 60) await driver.restart('worker-1')
    }
    await driver.advance(40 * 60_000)
    await driver.settle()
    expect(texts(driver.read(settled))).toEqual(texts(due.settled))
    expect(texts(driver.read(reminders))).toEqual(texts(due.reminders))
    expect(texts(driver.read(refunds))).toEqual(texts(due.refunds))
    expect(driver.readDeadLetters()).toEqual([])
    expect([due.settled, due.reminders, due.refunds].map((one) => one.length > 5)).toEqual([true, true, true])
  },
)
