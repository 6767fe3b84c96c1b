/**
 * What a topic's schema makes of a value, asked so that a message costs nothing but what the schema takes.
 *
 * Zod's schemas are asked as Zod has it. By Standard Schema one may answer with a promise, and Zod's do so not only where they
 * are asynchronous, but also where a refinement or transform throws: they go through the message once more, asynchronously,
 * where what is thrown may come out later, or nowhere. Asked for `safeParse`, they throw at once what was thrown.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { invalid, isPromise } from './names.js'

/**
 * The message that the schema makes of a value, or Refused. Throws what the schema throws, and INVALID_DEFINITION if it is
 * asynchronous.
 */
export type Check = (value: unknown) => unknown

/** A value is no message. */
export class Refused {
  constructor(readonly issues: readonly StandardSchemaV1.Issue[]) {}
}

/** What `safeParse` throws where the schema is asynchronous, in a class of its own. */
const ASYNCHRONOUS = 'Encountered Promise during synchronous parse. Use .parseAsync() instead.'

interface ZodSchema {
  safeParse(value: unknown, context?: { readonly jitless: true }): ZodResult
}
type ZodResult =
  | { readonly success: true; readonly data: unknown }
  | { readonly success: false; readonly error: { readonly issues: readonly StandardSchemaV1.Issue[] } }

/** Throws INVALID_DEFINITION for what is no schema. */
export function checkOf(topic: string, schema: unknown): Check {
  // a schema may be a function, too
  if ((typeof schema === 'object' && schema !== null) || typeof schema === 'function') {
    const standard: unknown = (schema as Partial<StandardSchemaV1>)['~standard']
    if (
      typeof standard === 'object' &&
      standard !== null &&
      'validate' in standard &&
      typeof standard.validate === 'function'
    )
      return isZodSchema(schema) ? zodCheck(topic, schema) : standardCheck(topic, standard as Standard)
  }
  throw invalid(`The schema of topic ${topic} doesn't implement Standard Schema (https://standardschema.dev).`)
}

/** What of a Standard Schema is asked. */
export type Standard = Pick<StandardSchemaV1['~standard'], 'validate'>

export const standardCheck =
  (topic: string, schema: Standard): Check =>
  (value) => {
    const result = schema.validate(value)
    if (result instanceof Promise || isPromise(result)) {
      result.then(undefined, () => undefined)
      throw asynchronous(topic)
    }
    return result.issues === undefined ? result.value : new Refused(result.issues)
  }

/** Of version 4, Zod Mini among it. Earlier ones do not tell what they throw from what a schema throws. */
const isZodSchema = (schema: object): schema is ZodSchema =>
  '_zod' in schema && 'safeParse' in schema && typeof schema.safeParse === 'function'

const zodCheck =
  (topic: string, schema: ZodSchema): Check =>
  (value) => {
    let result: ZodResult
    try {
      result = schema.safeParse(value)
    } catch {
      result = again(topic, schema, value)
    }
    return result.success ? result.data : new Refused(result.error.issues)
  }

/** Code that Zod compiled trips over the promise of a transform; without, it says what it is. */
function again(topic: string, schema: ZodSchema, value: unknown): ZodResult {
  try {
    return schema.safeParse(value, { jitless: true })
  } catch (error) {
    if (error instanceof Error && error.constructor !== Error && error.message === ASYNCHRONOUS)
      throw asynchronous(topic)
    throw error
  }
}

const asynchronous = (topic: string) =>
  invalid(`The schema of topic ${topic} is asynchronous. Messages are checked synchronously: take another schema.`)
