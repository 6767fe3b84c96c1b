/** A schema for tests whose messages are not the subject: any object passes. */
import type { StandardSchemaV1 } from '@standard-schema/spec'

export const anySchema = <T extends object>(): StandardSchemaV1<T, T> => ({
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? { value: value as T }
        : { issues: [{ message: 'not an object' }] },
  },
})
