import type { Connection, Seen } from './connection.js'

export interface ViewProps {
  readonly seen: Seen
  readonly connection: Connection
}
