/**
 * The life of a task.
 *
 *                 ┌─────────────┐   (fenced, or a transaction failed: from step 1 again)
 *                 v             │
 *     created → restoring → running → closed
 *        │          │                    ^
 *        └──────────┴────────────────────┘
 *
 * | from \ to | restoring | running | closed |
 * |-----------|-----------|---------|--------|
 * | created   | yes       |         | yes    |
 * | restoring | yes       | yes     | yes    |
 * | running   | yes       |         | yes    |
 * | closed    |           |         |        |
 *
 * Each entry into `restoring` begins a new activation with a number of its own. What an earlier activation still has
 * under way changes nothing any more: it compares its number before it touches anything.
 */
export type TaskState = 'created' | 'restoring' | 'running' | 'closed'

const legal: Readonly<Record<TaskState, readonly TaskState[]>> = {
  created: ['restoring', 'closed'],
  restoring: ['restoring', 'running', 'closed'],
  running: ['restoring', 'closed'],
  closed: [],
}

export const isTaskState = (value: unknown): value is TaskState =>
  typeof value === 'string' && Object.hasOwn(legal, value)

export class TaskLife {
  #state: TaskState = 'created'
  #activation = 0

  constructor(private readonly task: string) {}

  get state(): TaskState {
    return this.#state
  }
  /** Number of the current activation; 0 before the first. */
  get activation(): number {
    return this.#activation
  }

  /** Whether what was begun under that activation may still change anything. */
  isCurrent(activation: number): boolean {
    return this.#activation === activation && this.#state !== 'closed'
  }

  become(next: TaskState): number {
    if (!legal[this.#state].includes(next))
      throw new RangeError(`task ${this.task}: ${this.#state} → ${next} is illegal`)
    this.#state = next
    if (next === 'restoring') this.#activation++
    return this.#activation
  }
}
