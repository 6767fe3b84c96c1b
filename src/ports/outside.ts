/** External systems, as calls reach them. In production a call is the application's own function; tests replace it. */
import type { CallContext, CallDefinition } from '../api/definition.js'

export interface Outside {
  /** Makes one attempt. It may return anything, including a promise, and it may throw. */
  make(call: CallDefinition, message: unknown, context: CallContext): unknown
}

export const applicationsOwn: Outside = {
  make: ({ make }, message, context) => make(message, context),
}
