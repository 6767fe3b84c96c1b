import { expect, test } from 'vitest'
import { table } from '../../../src/cli/table.js'

test('columns stand under each other, numbers to the right', () => {
  expect(
    table(
      ['name', 'n', 'x'],
      [
        ['a', 10, 'yes'],
        ['longer', '-', ''],
      ],
    ),
  ).toBe('name     n  x\n' + 'a       10  yes\n' + 'longer   -\n')
})
