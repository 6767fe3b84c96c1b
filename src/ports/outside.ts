/** What is outside, as calls reach it. In production a call is the application's own function; tests stand in for it. */
import type { CallContext, CallDefinition } from '../api/definition.js'

export interface Outside {
  /** Makes one attempt. What it gives may be anything, a promise among it, and it may throw. */
  make(call: CallDefinition, message: unknown, context: CallContext): unknown
}

export const applicationsOwn: Outside = {
  make: ({ make }, message, context) => make(message, context),
}
