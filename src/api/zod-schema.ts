/**
 * Zod schemas, called through Zod's own interface. A Standard Schema may return a promise, and Zod's do so not only if
 * they are asynchronous, but also if a refinement or transform throws: they then validate the message again,
 * asynchronously, where the error may surface later, or never. `safeParse` throws it at once.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Validator } from './json/codec.js'

/** What `safeParse` throws if the schema is asynchronous; an error class of its own. */
const ASYNCHRONOUS = 'Encountered Promise during synchronous parse. Use .parseAsync() instead.'
/** Instead of a promise that would have to be awaited. */
const later: Promise<StandardSchemaV1.Result<unknown>> = Promise.resolve({ issues: [] })

interface ZodSchema {
  safeParse(value: unknown, context?: { readonly jitless: true }): ZodResult
}
type ZodResult =
  | { readonly success: true; readonly data: unknown }
  | { readonly success: false; readonly error: { readonly issues: readonly StandardSchemaV1.Issue[] } }

/** For version 4, including Zod Mini. Earlier ones do not tell their own errors from those of a schema. */
export function isZodSchema(schema: object): schema is ZodSchema {
  return '_zod' in schema && 'safeParse' in schema && typeof schema.safeParse === 'function'
}

/** Throws what the schema throws. */
export const zodValidator = (schema: ZodSchema): Validator => ({
  validate: (value) => {
    try {
      return resultOf(schema.safeParse(value))
    } catch {
      return again(schema, value)
    }
  },
})

/** Code that Zod compiled fails on the promise of a transform; without it, Zod reports what it is. */
function again(schema: ZodSchema, value: unknown): StandardSchemaV1.Result<unknown> | typeof later {
  try {
    return resultOf(schema.safeParse(value, { jitless: true }))
  } catch (error) {
    if (error instanceof Error && error.constructor !== Error && error.message === ASYNCHRONOUS) return later
    throw error
  }
}

const resultOf = (result: ZodResult): StandardSchemaV1.Result<unknown> =>
  result.success ? { value: result.data } : { issues: result.error.issues }
