/**
 * Zod's schemas, asked as Zod has it. By Standard Schema one may answer with a promise, and Zod's do so not only where they
 * are asynchronous, but also where a refinement or transform throws: they go through the message once more, asynchronously,
 * where what is thrown may come out later, or nowhere. Asked for `safeParse`, they throw at once what was thrown.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Validator } from './json/codec.js'

/** What `safeParse` throws where the schema is asynchronous, in a class of its own. */
const ASYNCHRONOUS = 'Encountered Promise during synchronous parse. Use .parseAsync() instead.'
/** Instead of a promise that somebody would have to wait for. */
const later: Promise<StandardSchemaV1.Result<unknown>> = Promise.resolve({ issues: [] })

interface ZodSchema {
  safeParse(value: unknown, context?: { readonly jitless: true }): ZodResult
}
type ZodResult =
  | { readonly success: true; readonly data: unknown }
  | { readonly success: false; readonly error: { readonly issues: readonly StandardSchemaV1.Issue[] } }

/** Of version 4, Zod Mini among it. Earlier ones do not tell what they throw from what a schema throws. */
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

/** Code that Zod compiled trips over the promise of a transform; without, it says what it is. */
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
